"""Which stages of an ended task begin anew when it runs again."""

from collections.abc import Mapping
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.tasks.planner import Plan, Renewed
from steersman.tasks.template import parse_template
from steersman.tasks.words import StageStatus
from tests.unit.tasks.dags import Dag, dags

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("c",)}
WELL = {StageStatus.COMPLETED, StageStatus.SKIPPED}


def plan(needs: Mapping[str, tuple[str, ...]]) -> Plan:
    stages = [
        {"name": name, "queue": "executor", "capability": "test.do", "needs": list(of)}
        for name, of in needs.items()
    ]
    return Plan(UUID(int=1), 1, parse_template({"name": "sample", "output": "d", "stages": stages}))


def reset(from_stages: list[str], **ended: str) -> dict[str, tuple[str, int]]:
    statuses = {name: StageStatus(ended.get(name, "completed")) for name in DIAMOND}
    found = plan(DIAMOND).reset(from_stages, statuses)
    return {one.name: (str(one.status), one.pending_needs) for one in found}


@pytest.mark.parametrize(
    ("from_stages", "ended", "expected"),
    [
        (["d"], {}, {"d": ("ready", 0)}),
        (["c"], {}, {"c": ("ready", 0), "d": ("pending", 1), "e": ("pending", 1)}),
        (["b", "c"], {}, {"b": ("ready", 0), "c": ("ready", 0), "d": ("pending", 2), "e": ("pending", 1)}),
        ([], {"b": "failed", "d": "cancelled"}, {"b": ("ready", 0), "d": ("pending", 1)}),
        (
            ["e"],
            {"b": "failed", "d": "cancelled"},
            {"b": ("ready", 0), "d": ("pending", 1), "e": ("ready", 0)},
        ),
        (["d"], {"b": "skipped"}, {"d": ("ready", 0)}),
    ],
)
def test_what_begins_anew(
    from_stages: list[str], ended: dict[str, str], expected: dict[str, tuple[str, int]]
) -> None:
    """Chosen stages, what did not end well, and all that comes after begin anew; needs among them are waited for."""
    assert reset(from_stages, **ended) == expected


def test_what_begins_anew_comes_in_template_order() -> None:
    """The order is the template's, whatever the order of the choice."""
    assert list(reset(["d", "a"])) == ["a", "b", "c", "d", "e"]


def ends(dag: Dag, bits: int) -> dict[str, StageStatus]:
    """Return ends of the stages that can come together: after a stage that did not end well, nothing ran."""
    made = Plan(UUID(int=1), 1, parse_template(dag.document()))
    statuses: dict[str, StageStatus] = {}
    for name in sorted(made.template.by_name, key=lambda name: len(made.template.ancestors[name])):
        hindered = any(statuses[need] not in WELL for need in made.stage(name).needs)
        drawn = [StageStatus.COMPLETED, StageStatus.COMPLETED, StageStatus.SKIPPED, StageStatus.FAILED][
            bits % 4
        ]
        statuses[name] = StageStatus.CANCELLED if hindered else drawn
        bits //= 4
    return statuses


@given(dags(20), st.integers(0, 4**20), st.integers(0, 2**20))
def test_a_reset_task_can_be_done_to_its_end(dag: Dag, bits: int, chosen: int) -> None:
    """On any DAG: something is ready, each need is waited for exactly where it begins anew, and no result is lost
    of a stage that nothing before it takes part in again.
    """
    made = Plan(UUID(int=1), 1, parse_template(dag.document()))
    statuses = ends(dag, bits)
    names = list(made.template.by_name)
    from_stages = [name for place, name in enumerate(names) if chosen >> place & 1] or names[:1]
    anew = {one.name: one for one in made.reset(from_stages, statuses)}
    assert any(one.status is StageStatus.READY for one in anew.values())
    for name, stage in made.template.by_name.items():
        again = [need for need in stage.needs if need in anew]
        asked = name in from_stages or statuses[name] not in WELL
        assert (name in anew) == (asked or bool(again))
        if name in anew:
            status = StageStatus.PENDING if again else StageStatus.READY
            assert anew[name] == Renewed(name, status, len(again))
