"""The chaos checker finds each kind of fault in schedules, and nothing in sound ones."""

from dataclasses import replace
from uuid import UUID

import pytest

from bench.chaos.checker import check
from bench.chaos.history import Order, RunHistory, ScheduleStep, TaskHistory
from tests.unit.bench.sound_limits import SCHEDULE, made, scheduled, step, steps

FIRST, SECOND = made(51, 110.0, 110.4, 122.0), made(52, 130.0, 130.9, 131.5)
MADE, ONE, SKIPPED, TWO, PAUSED, RESUMED = steps()


def rules(found: RunHistory) -> set[str]:
    return {finding.rule for finding in check(found)}


def test_sound_schedules_have_no_finding() -> None:
    """A schedule that made two tasks, left a time out, was paused and was resumed is in order."""
    assert check(scheduled()) == []


TASKS: dict[str, tuple[tuple[TaskHistory, ...], str]] = {
    "a time without its task": ((FIRST,), "a due time is not lost"),
    "a time with two tasks": ((FIRST, SECOND, made(53, 130.0, 131.6, 132.0)), "a due time makes one task"),
    "a time that never was": ((FIRST, SECOND, made(53, 135.0, 135.4, 136.0)), "no time is made up"),
    "a time that was left out": (
        (FIRST, SECOND, made(53, 120.0, 123.0, 124.0)),
        "a time that is left out makes no task",
    ),
    "a task before its time": ((FIRST, made(52, 130.0, 129.0, 131.5)), "a time waits until it comes"),
    "a task of a paused schedule": (
        (FIRST, SECOND, made(53, 140.0, 150.0, 151.0)),
        "a paused schedule makes no task",
    ),
    "a task beside an open one": (
        (made(51, 110.0, 110.4, 133.0), SECOND),
        "a schedule does not overlap itself",
    ),
}


@pytest.mark.parametrize("fault", TASKS)
def test_faults_in_what_a_schedule_made_are_found(fault: str) -> None:
    """A time with no task or two, and a task of no time, too early, of a pause or beside another are reported."""
    tasks, rule = TASKS[fault]
    assert rule in rules(scheduled(*tasks))


STEPS: dict[str, tuple[list[ScheduleStep], str]] = {
    "a time passed over": ([MADE, replace(ONE, next_at=130.0), TWO], "a schedule leaves no time out"),
    "no time of it": ([MADE, replace(ONE, next_at=123.0), TWO], "a schedule leaves no time out"),
    "a time back": ([MADE, replace(ONE, next_at=100.0), TWO], "a schedule leaves no time out"),
    "neither task nor reason": (
        [MADE, ONE, replace(SKIPPED, skipped_at=None), TWO],
        "a schedule leaves no time out",
    ),
    "a refusal": ([MADE, ONE, replace(SKIPPED, refused_at=120.0), TWO], "a schedule's task is accepted"),
}


@pytest.mark.parametrize("fault", STEPS)
def test_faults_in_the_way_of_a_schedule_are_found(fault: str) -> None:
    """A schedule that passes over a time, goes to none of its own, gives no reason or is refused is reported."""
    taken, rule = STEPS[fault]
    assert rule in rules(scheduled(FIRST, SECOND, taken=taken))


def test_times_that_passed_unseen_make_one_task() -> None:
    """A schedule may go over times only when it was late by more than counts as missed."""
    late = step(110.0, 150.0, 141.0, last_task_id=UUID(int=51))
    assert rules(scheduled(made(51, 110.0, 140.9, 142.0), taken=[MADE, late])) == set()
    soon = replace(late, at=130.5, next_at=140.0)
    found = rules(scheduled(made(51, 110.0, 130.4, 142.0), taken=[MADE, soon]))
    assert found == {"a schedule leaves no time out"}


def test_runs_out_of_turn_are_held_to_what_was_asked() -> None:
    """A confirmed run without its task, and a task for which nobody asked, are reported."""
    odd = made(60, 0.0, 111.0, 112.0)
    task = replace(odd, row=replace(odd.row, schedule_id=None, due_at=None))
    run = Order(
        what="run", scope="schedule", name=str(SCHEDULE), asked_at=111.0, status=202, made=UUID(int=60)
    )
    assert rules(scheduled(FIRST, SECOND, task, orders=[run])) == set()
    assert rules(scheduled(FIRST, SECOND, orders=[run])) == {"a confirmed run is not lost"}
    assert rules(scheduled(FIRST, SECOND, task)) == {"a run makes one task"}
