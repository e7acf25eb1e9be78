"""The chaos checker finds each kind of fault in a history that is otherwise sound, and nothing in a sound one."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from bench.chaos.checker import check, check_task
from bench.chaos.history import Cancel, Event, Line, RunHistory, Submission, TaskHistory
from steersman.ids import new_id
from tests.unit.bench.sound_history import (
    COST,
    LOG,
    TASK,
    change,
    plan,
    run,
    task,
    with_line,
    with_stage,
)

SOUND = task()


def rules(history: TaskHistory) -> set[str]:
    return {finding.rule for finding in check_task(history)}


def run_rules(history: RunHistory) -> set[str]:
    return {finding.rule for finding in check(history)}


def test_a_sound_history_has_no_finding() -> None:
    """A run with a retry, a lost lease, a late result and a repeated request is in order."""
    assert check(run()) == []


def test_a_finding_says_where_it_is() -> None:
    """A finding names the task, the rule and the evidence."""
    (finding, *_) = check_task(with_stage(SOUND, "left", status="running"))
    assert finding.subject == str(TASK)
    assert "left is running" in finding.evidence


TASK_FAULTS = {
    "a task that never ended": (
        replace(SOUND.row, status="running", finished=False),
        "every accepted task ends",
    ),
    "an end without its time": (replace(SOUND.row, finished=False), "every accepted task ends"),
    "a state that the log does not give": (replace(SOUND.row, status="failed"), "state agrees with the log"),
    "a sink that stayed open": (replace(SOUND.row, open_sinks=1), "open_sinks counts"),
    "a cost counted twice": (replace(SOUND.row, cost_usd=5 * COST), "costs add up"),
    "tokens counted twice": (replace(SOUND.row, tokens=5), "costs add up"),
    "another stage's output": (
        replace(SOUND.row, output={"stage": "left"}),
        "the output is the output stage's",
    ),
}


@pytest.mark.parametrize("fault", TASK_FAULTS)
def test_faults_in_the_task_s_row_are_found(fault: str) -> None:
    """A row of task_histories that the rest does not bear out is reported under its rule."""
    row, rule = TASK_FAULTS[fault]
    assert rule in rules(replace(SOUND, row=row))


STAGE_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a stage left running": ({"status": "running"}, "no stage stays open"),
    "a status that the log does not give": ({"status": "skipped"}, "state agrees with the log"),
    "an attempt that the log does not give": ({"attempt": 3}, "state agrees with the log"),
    "a need that stayed open": ({"pending_needs": 1}, "pending_needs counts"),
    "an output that no agent gave": ({"output": {"made": "up"}}, "an outcome is what the agent answered"),
    "a cost that no agent asked": ({"cost_usd": 2 * COST}, "costs count once"),
}


@pytest.mark.parametrize("fault", STAGE_FAULTS)
def test_faults_in_a_stage_s_row_are_found(fault: str) -> None:
    """A row of task_stages that the rest does not bear out is reported under its rule."""
    changes, rule = STAGE_FAULTS[fault]
    assert rule in rules(with_stage(SOUND, "left", **changes))


LINE_FAULTS: dict[str, tuple[int, tuple[Line, ...], str]] = {
    "an effect twice": (13, (LOG[12], replace(LOG[12], id=13)), "each stage takes effect once"),
    "a start before its needs": (9, (LOG[8], Line(9, "last", "stage.started", 1)), "starts after its needs"),
    "a release before its needs": (
        9,
        (LOG[8], Line(9, "last", "stage.ready", 1)),
        "released after its needs",
    ),
    "a release twice": (7, (Line(7, "left", "stage.ready", 1), LOG[6]), "released once"),
    "a release that never came": (15, (), "starts when ready"),
    "a start that was not claimed": (16, (), "ends only what runs"),
    "an attempt left out": (10, (replace(LOG[9], attempt=3),), "attempts grow by one"),
    "an attempt started twice": (10, (replace(LOG[9], attempt=1),), "attempts grow by one"),
    "an end of an attempt that does not run": (
        13,
        (replace(LOG[12], attempt=1),),
        "ends the attempt that runs",
    ),
    "an end before all have ended": (15, (LOG[17],), "completed at the end of all"),
    "a start after the end": (18, (LOG[17], Line(19, "last", "stage.started", 2)), "nothing after the end"),
    "a second end": (18, (LOG[17], Line(19, None, "task.cancelled", None)), "nothing after the end"),
    "a failure without a failed stage": (15, (Line(15, None, "task.failed", None),), "failed for a reason"),
    "a second submission": (2, (Line(2, None, "task.submitted", None), LOG[1]), "submitted once"),
    "no submission": (1, (), "submitted first"),
    "a stage from elsewhere": (2, (LOG[1], Line(2, "odd", "stage.ready", 1)), "known stages only"),
}


@pytest.mark.parametrize("fault", LINE_FAULTS)
def test_faults_in_the_log_are_found(fault: str) -> None:
    """A line of the log that cannot follow those before it is reported under its rule."""
    number, lines, rule = LINE_FAULTS[fault]
    assert rule in rules(with_line(SOUND, number, *lines))


def test_a_stage_that_was_never_released_is_found() -> None:
    """A stage whose needs have ended and that still waits is reported."""
    broken = replace(with_stage(SOUND, "last", status="pending"), log=LOG[:14])
    assert "released when the last need ends" in rules(broken)


def test_a_wrong_condition_is_found() -> None:
    """A stage that ran although its `when` says no, and one that was skipped although it says yes, are reported."""
    assert "conditions hold" in rules(replace(SOUND, plan=plan(when="results.left.absent")))
    assert "conditions hold" in rules(with_stage(SOUND, "last", status="skipped"))


def test_a_lost_dead_letter_is_found() -> None:
    """A stage that failed for good must have left a dead letter."""
    failed = with_line(SOUND, 17, Line(17, "last", "stage.failed", 1, {"error": {"code": "agent_error"}}))
    assert "what fails for good leaves a dead letter" in rules(failed)
    assert "what fails for good leaves a dead letter" not in rules(replace(failed, letters=[("last", 1)]))


def test_an_attempt_that_ran_twice_is_found() -> None:
    """Two executions of one attempt are reported: a lease was held twice."""
    again = replace(SOUND.executions[0], process="another")
    assert "an attempt runs once" in rules(replace(SOUND, executions=[*SOUND.executions, again]))


def test_an_execution_without_a_claim_is_found() -> None:
    """An agent that was asked for an attempt that nobody claimed is reported."""
    unclaimed = replace(SOUND.executions[0], attempt=2)
    assert "nothing runs without a claim" in rules(replace(SOUND, executions=[*SOUND.executions, unclaimed]))


@pytest.mark.parametrize("answer", ["error", "refused", "raised", None])
def test_a_result_that_no_agent_gave_is_found(answer: str | None) -> None:
    """A completed stage whose agent failed, or died before it answered, is reported."""
    first = replace(SOUND.executions[0], answer=answer)
    broken = replace(SOUND, executions=[first, *SOUND.executions[1:]])
    assert "an outcome is what the agent answered" in rules(broken)


def test_a_retry_of_what_had_succeeded_is_found() -> None:
    """An answer that was thrown away for a retry, though its lease was held, is reported."""
    executions = [replace(one, answer="ok") if one.answer == "error" else one for one in SOUND.executions]
    assert "an outcome is what the agent answered" in rules(replace(SOUND, executions=executions))


def test_a_transition_that_is_not_allowed_is_found() -> None:
    """A status that jumps where the table of transitions has no way is reported."""
    jump = change(6, "first", "ready", "completed")
    assert "allowed transitions" in rules(replace(SOUND, changes=[*SOUND.changes[:5], jump]))
    back = change(12, None, "completed", "running")
    assert "allowed transitions" in rules(replace(SOUND, changes=[*SOUND.changes, back]))


def test_a_start_after_the_end_is_found_by_the_witness() -> None:
    """A stage that begins in a later transaction than its task's end is reported; in the same one it may."""
    late = change(12, "last", "ready", "running", lease_after=new_id())
    assert "nothing begins after the end" in rules(replace(SOUND, changes=[*SOUND.changes, late]))
    same = replace(late, transaction=SOUND.changes[-1].transaction)
    assert "nothing begins after the end" not in rules(replace(SOUND, changes=[*SOUND.changes, same]))


def test_a_lease_that_was_held_twice_is_found() -> None:
    """A lease that was taken over while it still had time to run is reported."""
    changes = [replace(one, lease_left_s=3.0) if one.lease_before else one for one in SOUND.changes]
    assert "no lease is held twice" in rules(replace(SOUND, changes=changes))


def test_faults_in_the_stream_are_found() -> None:
    """An event that is missing, made up, told twice, or out of its stage's order is reported."""
    events = list(SOUND.events)
    assert "the stream agrees" in rules(replace(SOUND, events=events[:-1]))
    assert "the stream agrees" in rules(replace(SOUND, events=[*events, Event(99, "stage.late", "left", 2)]))
    assert "the stream agrees" in rules(replace(SOUND, events=[*events, events[0]]))
    assert "the stream is in order" in rules(
        replace(SOUND, events=[*events[:2], events[3], events[2], *events[4:]])
    )
    assert "the stream ends" in rules(replace(SOUND, events_ended=False))


def test_a_stale_view_is_found() -> None:
    """A view that shows another state than the rows is reported."""
    assert "the view agrees" in rules(replace(SOUND, shown={**SOUND.shown, "status": "running"}))
    shown = [{**stage, "attempt": 9} for stage in SOUND.shown["stages"]]
    assert "the view agrees" in rules(replace(SOUND, shown={**SOUND.shown, "stages": shown}))


def test_lost_and_doubled_requests_are_found() -> None:
    """A planned task that is not there, one that is there twice, and one that nobody sent are reported."""
    sound = run()
    assert "an accepted request is not lost" in run_rules(replace(sound, planned=frozenset({1, 2})))
    assert "a repeated request has one effect" in run_rules(
        replace(sound, tasks=[*sound.tasks, *sound.tasks])
    )
    assert "nothing comes from nowhere" in run_rules(replace(sound, planned=frozenset()))


def test_two_answers_to_one_request_are_found() -> None:
    """A key that was answered with different tasks, or with tasks of another request, is reported."""
    sound = run()
    other = Submission(key="key", numbers=[1], task_ids=[UUID(int=8)])
    found = run_rules(replace(sound, submissions=[*sound.submissions, other]))
    assert {"a repeated request has one answer", "an answer names what was accepted"} <= found


def test_cancellations_that_did_not_hold_are_found() -> None:
    """A confirmed cancellation of a task that completed, and a refused one of a cancelled task, are reported."""
    sound = run()
    confirmed = Cancel(task_id=TASK, http_status=200, task_status="cancelled")
    assert "a cancelled task stays cancelled" in run_rules(replace(sound, cancels=[confirmed]))
    cancelled = replace(sound.tasks[0], row=replace(sound.tasks[0].row, status="cancelled"))
    refused = Cancel(task_id=TASK, http_status=409, task_status=None)
    broken = replace(sound, tasks=[cancelled], cancels=[refused])
    assert "a refused cancellation changes nothing" in run_rules(broken)


@pytest.mark.parametrize("measure", ["calls", "failures", "cost_usd", "tokens"])
def test_measurements_counted_twice_are_found(measure: str) -> None:
    """Sums of agent_performance that the logs do not bear out are reported."""
    sound = run()
    measured = {**sound.measured, measure: sound.measured[measure] + Decimal(1)}
    assert run_rules(replace(sound, measured=measured)) == {"measurements count once"}


def test_a_handler_that_raised_is_found() -> None:
    """An exception that came out of a stage's handler is reported; a sweep that could not be done is not."""
    assert run_rules(replace(run(), raised={"intent: KeyError (x)": 3})) == {"handlers do not raise"}
