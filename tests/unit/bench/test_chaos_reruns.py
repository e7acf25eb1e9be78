"""The chaos checker finds each kind of fault in tasks that ran again, and nothing in sound ones."""

from dataclasses import replace
from uuid import UUID

import pytest

from bench.chaos.checker import check
from bench.chaos.history import Cancel, Line, Order, RunHistory, TaskHistory
from tests.unit.bench.sound_reruns import AGAIN, LOG, RERUN, again, changes, clone, order, run, told
from tests.unit.bench.sound_ways import ASKING, answer, fan_out


def rules(found: RunHistory) -> set[str]:
    return {finding.rule for finding in check(found)}


def of_log(*lines: Line) -> TaskHistory:
    return again(sorted(lines, key=lambda line: line.id))


def test_a_sound_rerun_has_no_finding() -> None:
    """A task that failed, was run again and completed is in order, also where the request was sent twice."""
    assert check(run(again(), orders=[order()])) == []
    assert check(run(again(), orders=[order(), order(asked_at=5.2, answered_at=5.3)])) == []


LOGS: dict[str, tuple[TaskHistory, str]] = {
    "a stage that was not to be done again": (
        of_log(*LOG[:10], replace(LOG[2], id=10, attempt=2), *LOG[10:]),
        "each stage takes effect once",
    ),
    "a stage that was left out": (
        of_log(*LOG[:9], replace(LOG[12], id=10)),
        "completed at the end of all",
    ),
    "an attempt of the first run": (
        of_log(*LOG[:11], replace(LOG[11], attempt=1), LOG[12]),
        "ends the attempt that runs",
    ),
    "an attempt left out": (
        of_log(*LOG[:10], replace(LOG[10], attempt=3), replace(LOG[11], attempt=3), LOG[12]),
        "attempts grow by one",
    ),
    "a start after the end": (
        of_log(*LOG[:8], replace(LOG[10], id=9)),
        "nothing after the end",
    ),
}


@pytest.mark.parametrize("fault", LOGS)
def test_faults_in_the_log_of_a_rerun_are_found(fault: str) -> None:
    """A stage that is done again without need, left out, or goes by another run's attempts is reported."""
    task, rule = LOGS[fault]
    assert rule in rules(run(task, orders=[order()]))


def test_a_result_of_the_first_run_that_counts_in_the_second_is_found() -> None:
    """What a stage shows must be what its agent answered in the run that counted."""
    stale = replace(again().stages["two"], output={"stage": "stale"})
    broken = replace(again(), stages={**again().stages, "two": stale})
    assert "an outcome is what the agent answered" in rules(run(broken, orders=[order()]))


def test_retries_are_counted_anew() -> None:
    """A retry in a later run is in order as long as that run has attempts left, and none is given up too early."""
    plan = again().plan
    stages = [
        stage.model_copy(update={"retry": stage.retry.model_copy(update={"max_attempts": 2})})
        for stage in plan.template.stages
    ]
    twice = replace(plan, template=plan.template.model_copy(update={"stages": tuple(stages)}))
    failed = replace(again().executions[2], answer="error", output=None)
    log = [*LOG[:11], replace(LOG[6], id=12, attempt=2, at=6.0), replace(LOG[7], id=13, at=6.0)]
    task = replace(again(log), plan=twice, executions=[*again().executions[:2], failed])
    assert "an outcome is what the agent answered" in rules(run(task, orders=[order()]))


def test_a_task_that_leaves_its_end_unasked_is_found() -> None:
    """A change from an end to another run is reported where the log does not say so."""
    silent = replace(again(LOG[:8]), changes=changes())
    assert "allowed transitions" in rules(run(silent, orders=[order()]))
    early = [one for one in changes() if one.number not in {8, 9}]
    assert "allowed transitions" in rules(run(replace(again(), changes=early), orders=[order()]))


def test_a_follower_that_missed_the_second_run_is_found() -> None:
    """Who was told the last end must have been told all before it, who was told the first end only what was before."""
    missed = told([*LOG[:8], *LOG[10:]])
    assert rules(run(replace(again(), follows=[missed]), orders=[order()])) == {"followers miss nothing"}
    first = told([*LOG[:5], *LOG[6:8]])
    assert rules(run(replace(again(), follows=[first]), orders=[order()])) == {"followers miss nothing"}


def test_a_letter_of_an_earlier_run_may_be_a_row_alone() -> None:
    """A failure before a rerun must have left the row of a dead letter, its message may not have been written yet."""
    lost = replace(again(), letters=[])
    rule = "what fails for good leaves a dead letter"
    assert rule in rules(run(lost, orders=[order()]))
    assert rule not in rules(run(replace(lost, kept_letters=[("two", 1)]), orders=[order()]))
    last = replace(again(LOG[:8]), letters=[], kept_letters=[("two", 1)])
    assert rule in rules(run(last, orders=[]))


def test_items_of_a_later_run_are_not_left_behind_by_an_earlier_one() -> None:
    """A stage that was cancelled before it began, and starts tasks when its task runs again, has not left them."""
    parent, *items = fan_out()
    before = [
        Line(-4, "each", "stage.cancelled", 1, at=-8.0),
        Line(-3, None, "task.failed", None, at=-8.0),
        Line(-2, None, "task.rerun", None, {"why": "rerun", "from": ["each"]}, at=-7.0),
    ]
    found = rules(run(replace(parent, log=[*before, *parent.log]), *items, orders=[]))
    assert "no task is left behind" not in found


ORDERS: dict[str, tuple[list[Order], str]] = {
    "a rerun that nobody asked for": ([], "nothing runs again unasked"),
    "a rerun that was refused": ([order(status=409)], "nothing runs again unasked"),
    "a rerun at another time": ([order(asked_at=20.0, answered_at=20.1)], "a confirmed rerun takes place"),
    "a rerun that did not take place": (
        [order(), order(key="operator-8", asked_at=20.0, answered_at=20.1)],
        "a confirmed rerun takes place",
    ),
}


@pytest.mark.parametrize("fault", ORDERS)
def test_reruns_are_held_to_what_was_asked(fault: str) -> None:
    """A rerun that nobody asked for, and a confirmed one that did not take place, are reported."""
    orders, rule = ORDERS[fault]
    assert rule in rules(run(again(), orders=orders))


def test_a_request_that_had_two_effects_is_found() -> None:
    """One request, sent twice under its key, has a task run again once."""
    more = [replace(line, id=line.id + 5, at=line.at + 0.5) for line in LOG[8:]]
    twice = of_log(*LOG, *[replace(line, attempt=3) if line.attempt == 2 else line for line in more])
    assert "nothing runs again unasked" in rules(run(twice, orders=[order(), order()]))


def test_a_redrive_of_many_is_a_reason_for_redrives_only() -> None:
    """While many are redriven a task may be redriven, but not run again from a stage."""
    many = order(what="redrive", task_id=None, scope="project")
    redriven = replace(RERUN, detail={**RERUN.detail, "why": "redrive"})
    assert rules(run(of_log(*LOG[:8], redriven, *LOG[9:]), orders=[many])) == set()
    assert rules(run(again(), orders=[many])) == {"nothing runs again unasked"}


def test_a_confirmed_cancellation_of_an_earlier_run_is_looked_for_in_the_log() -> None:
    """A task that was cancelled and ran again may complete; one that was never cancelled was not."""
    cancel = Cancel(task_id=AGAIN, http_status=200, task_status="cancelled")
    found = replace(run(again(), orders=[order()]), cancels=[cancel])
    assert rules(found) == {"a cancelled task stays cancelled"}


def test_clones_are_held_to_what_was_asked() -> None:
    """A confirmed clone that is not there, one that is there twice, and one that nobody asked for are reported."""
    asked = order(what="clone", key="operator-9", status=202, made=ASKING)
    sound = [order(), answer(), asked]
    assert rules(run(again(), clone(), orders=sound)) == set()
    family = {"parent_task_id": AGAIN, "parent_stage": "two", "parent_attempt": 1}
    item = replace(clone(), row=replace(clone().row, id=UUID(int=71), **family))
    started = rules(run(again(), clone(), item, orders=sound))  # what a clone starts has its labels
    assert {"a confirmed clone is there once", "no clone is made up"}.isdisjoint(started)
    assert "a confirmed clone is there once" in rules(run(again(), orders=[order(), asked]))
    twin = replace(clone(), row=replace(clone().row, id=UUID(int=70)))
    assert "a confirmed clone is there once" in rules(run(again(), clone(), twin, orders=sound))
    assert "no clone is made up" in rules(run(again(), clone(), orders=[order(), answer()]))
