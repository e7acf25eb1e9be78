"""A short storm: real processes are killed, stalled and cut off, and nothing is lost."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.chaos.run import carry_out
from bench.chaos.schedule import make

SEED = 3
TASKS = 120
STORM_S = 15.0


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="steersman-chaos-"))
    path.chmod(0o755)  # the database server runs under an account of its own
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_a_short_storm_loses_nothing_and_counts_nothing_twice(folder: Path) -> None:
    """With workers, submitters and the sweep killed at random and at failpoints, every rule of the checker holds."""
    result = carry_out(folder, make(SEED, TASKS, STORM_S), lambda _words, _done: None)
    assert result["findings"] == []
    assert result["submitted"] == TASKS
    assert sum(result["kills_at_failpoints"].values()) > 0
    assert result["kills_at_random"]["follower"] > 0
    assert result["followers"]["told_the_end"] > 0
    assert result["schedules"]["tasks"] + result["schedules"]["left_out"] > 0
    assert result["limits"]["calls_of_limited_agents"] > 0
    assert result["servers"] == {"empty_redis": 1, "midnight": 1, "restart_postgres": 1, "restart_redis": 1}
