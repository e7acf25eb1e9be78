"""The bench of cold starts: every function is measured against libraries that somebody gave a reason for."""

import pytest

from bench.cold.needs import need_of
from bench.cold.starts import Cost, Start, StartFailed, start
from infra.function_table import FUNCTIONS


def test_every_function_has_libraries_with_reasons() -> None:
    """A new function cannot be measured against nothing."""
    for spec in FUNCTIONS:
        need = need_of(spec)
        assert need.libraries
        assert all(need.libraries.values())


def test_a_start_is_compared_by_its_cpu() -> None:
    """The ratio of imports is CPU over CPU; that of the whole start adds what is built to both sides."""
    half, one, two = (Cost(cpu_ms=cpu, wall_ms=900, rss_mb=1, modules=1) for cpu in (50.0, 100.0, 200.0))
    found = Start("a", imported=two, built=one, libraries_imported=one, libraries_built=half)
    assert found.import_ratio == 2
    assert found.ready_ratio == 2


def test_medians_stand_for_many_processes() -> None:
    """One slow process among three changes nothing."""
    samples = [{"cpu_ms": cpu, "wall_ms": 1.0, "rss_mb": 1.0, "modules": 9.0} for cpu in (10.0, 11.0, 90.0)]
    assert Cost.of(samples) == Cost(cpu_ms=11.0, wall_ms=1.0, rss_mb=1.0, modules=9)


def test_a_start_that_fails_says_what_could_not_be_started() -> None:
    """A module that is not there is an error with its name and Python's words, not a figure."""
    with pytest.raises(StartFailed, match=r"(?s)no_such_module cannot be started.*ModuleNotFoundError"):
        start({"modules": ["no_such_module"]})
