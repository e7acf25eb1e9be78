"""The words of a task's life: lanes and transitions."""

import itertools

import pytest

from steersman.tasks.words import (
    STAGE_TRANSITIONS,
    TASK_TRANSITIONS,
    Lane,
    Priority,
    StageStatus,
    TaskStatus,
    lane_for,
)

ALL = tuple(Lane)


@pytest.mark.parametrize(
    ("priority", "lane"),
    [
        ("low", "bulk"),
        ("medium", "standard"),
        ("high", "urgent"),
        ("critical", "urgent"),
        ("emergency", "urgent"),
    ],
)
def test_each_priority_has_its_lane(priority: str, lane: str) -> None:
    """High and above is urgent, medium is standard, low is bulk."""
    assert lane_for(Priority(priority), ALL) == lane


def test_a_lane_that_is_missing_is_replaced_by_one_that_is_there() -> None:
    """Whatever lanes an environment has, every priority gets one of them; standard before others."""
    for size in (1, 2, 3):
        for lanes in itertools.permutations(ALL, size):
            for priority in Priority:
                chosen = lane_for(priority, lanes)
                assert chosen in lanes
                if Lane.STANDARD in lanes and lane_for(priority, ALL) not in lanes:
                    assert chosen is Lane.STANDARD


@pytest.mark.parametrize(
    ("table", "enum"), [(TASK_TRANSITIONS, TaskStatus), (STAGE_TRANSITIONS, StageStatus)]
)
def test_transitions_know_every_status(table: dict, enum: type) -> None:
    """The table has a row for every status, leads to known statuses only, and never from a status to itself."""
    assert set(table) == set(enum)
    assert all(targets <= set(enum) and status not in targets for status, targets in table.items())


def test_final_statuses_are_those_that_nothing_follows() -> None:
    """Completed, failed and cancelled are final, and for a stage skipped too."""
    assert {status for status in TaskStatus if status.final} == {"completed", "failed", "cancelled"}
    assert {status for status in StageStatus if status.final} == {
        "completed",
        "failed",
        "skipped",
        "cancelled",
    }


@pytest.mark.parametrize(("table", "start"), [(TASK_TRANSITIONS, "pending"), (STAGE_TRANSITIONS, "pending")])
def test_every_status_can_be_reached_and_can_end(table: dict, start: str) -> None:
    """From `pending` every status can come, and from every status an end."""
    assert _reached(table, start) == set(table)
    for status in table:
        assert any(not table[end] for end in _reached(table, status))


def _reached(table: dict, start: str) -> set:
    found, waiting = set(), [start]
    while waiting:
        status = waiting.pop()
        if status not in found:
            found.add(status)
            waiting.extend(table[status])
    return found
