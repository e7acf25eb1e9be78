"""Approvals as time goes by: escalation, answers by default, rejections, and what goes on beside them."""

from typing import Any
from uuid import UUID

import pytest

from steersman.errors import Conflict, Forbidden
from steersman.tasks.template import parse_template
from tests.fixtures.desk import Desk
from tests.fixtures.engine import Rig, stage

ASK = {"ask": "Send the offer?", "by": ["clerk"], "timeout_s": 60}


def approve(**approval: Any) -> dict[str, Any]:
    return {"name": "approve", "kind": "approval", "approval": {**ASK, **approval}}


def asked(rig: Rig, **approval: Any) -> UUID:
    """Return a task whose stage `approve` waits for an answer, and whose stage `after` needs it."""
    plan = rig.publish([approve(**approval), stage("after", "approve")])
    (task_id,) = rig.submit(plan)
    rig.drain()
    assert rig.statuses(task_id) == {"approve": "awaiting", "after": "pending"}
    return task_id


def output_of(rig: Rig, task_id: UUID) -> Any:
    """Return what the stage after the approval was given."""
    return rig.agent.jobs[-1].results["approve"]


def test_others_are_asked_when_nobody_answered(rig: Rig, desk: Desk) -> None:
    """When the time of those who are asked is over, those of `escalate_to` may answer too, and it is told."""
    task_id = asked(rig, escalate_to=["chief"])
    with pytest.raises(Forbidden, match=r"'chief' may not answer stage 'approve'; these may: clerk"):
        desk.answer(task_id, "approve", by="chief")
    rig.let_pass(task_id, 61)
    desk.sweep()
    rig.drain()
    assert rig.statuses(task_id)["approve"] == "awaiting"
    assert rig.events(task_id).count("stage.awaiting:approve") == 2
    desk.answer(task_id, "approve", by="chief")
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert output_of(rig, task_id)["by"] == "chief"


def test_who_was_asked_first_may_still_answer(rig: Rig, desk: Desk) -> None:
    """An escalation adds those who may answer; it takes the right from nobody."""
    task_id = asked(rig, escalate_to=["chief"])
    rig.let_pass(task_id, 61)
    desk.answer(task_id, "approve", by="clerk")
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


@pytest.mark.parametrize(
    ("more", "waits_s"),
    [
        ({}, 61),
        ({"escalate_to": ["chief"]}, 121),
        ({"escalate_to": ["chief"], "escalate_timeout_s": 5}, 66),
    ],
)
def test_nobody_s_answer_is_the_default(rig: Rig, desk: Desk, more: dict[str, Any], waits_s: float) -> None:
    """When all who are asked let their time pass, the default answer holds and the task goes on."""
    task_id = asked(rig, default={"limit": 3}, **more)
    rig.let_pass(task_id, waits_s)
    desk.sweep()
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert output_of(rig, task_id) == {
        "approved": True, "answer": {"limit": 3}, "by": "default", "comment": None,
    }  # fmt: skip


def test_without_a_default_nobody_s_answer_fails_the_task(rig: Rig, desk: Desk) -> None:
    """When nobody answers in time and there is no default, the stage fails as `not_answered`."""
    task_id = asked(rig)
    rig.let_pass(task_id, 61)
    desk.sweep()
    rig.drain()
    assert rig.task(task_id)["error"]["code"] == "not_answered"
    assert rig.statuses(task_id) == {"approve": "failed", "after": "cancelled"}


def test_an_answer_that_nobody_gave_can_be_skipped(rig: Rig, desk: Desk) -> None:
    """What follows a question without an answer is what `on_error` says."""
    plan = rig.publish([{**approve(), "on_error": "skip"}, stage("after", "approve")])
    (task_id,) = rig.submit(plan)
    rig.drain()
    rig.let_pass(task_id, 61)
    desk.sweep()
    rig.drain()
    assert rig.statuses(task_id) == {"approve": "skipped", "after": "completed"}


@pytest.mark.parametrize(("goes_on", "ends"), [(False, "failed"), (True, "completed")])
def test_a_no_fails_the_task_or_is_a_result(rig: Rig, desk: Desk, goes_on: bool, ends: str) -> None:
    """A rejection fails the task as `rejected` at once, without another try, or is the stage's output."""
    task_id = asked(rig, continue_on_reject=goes_on)
    desk.answer(task_id, "approve", approved=False, by="clerk")
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["stages"][0]["attempt"]) == (ends, 1)
    assert (task["error"] or {}).get("code") == (None if goes_on else "rejected")


def test_a_late_answer_is_refused(rig: Rig, desk: Desk) -> None:
    """Once the default holds nobody can answer any more."""
    task_id = asked(rig, default={})
    rig.let_pass(task_id, 61)
    desk.sweep()
    rig.drain()
    with pytest.raises(Conflict, match="is completed"):
        desk.answer(task_id, "approve", by="clerk")


def test_a_branch_goes_on_beside_a_question(rig: Rig, desk: Desk) -> None:
    """A task says `running` while a branch works beside a question, `awaiting` when only the question is left."""
    question = {**approve(), "queue": "executor"}
    plan = rig.publish([question, stage("a"), stage("b", "a"), stage("join", "approve", "b")])
    (task_id,) = rig.submit(plan)
    rig.step(batch=1)
    rig.step(batch=1)
    assert rig.statuses(task_id)["approve"] == "awaiting"
    assert rig.task(task_id)["status"] == "running"
    rig.drain()
    assert (rig.task(task_id)["status"], rig.statuses(task_id)["b"]) == ("awaiting", "completed")
    desk.answer(task_id, "approve", by="clerk")
    assert rig.task(task_id)["status"] == "running"
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_waiting_task_ends_at_its_deadline(rig: Rig, desk: Desk) -> None:
    """A task that only waits fails with `deadline_passed` at its deadline, and nobody can answer any more."""
    task_id = asked(rig, timeout_s=None)
    rig.let_pass(task_id, 200)
    assert desk.sweep().expired == 0
    rig.let_pass(task_id, 101)
    assert desk.sweep().expired == 1
    task = rig.task(task_id)
    assert (task["status"], task["error"]["code"]) == ("failed", "deadline_passed")
    with pytest.raises(Conflict, match="is cancelled"):
        desk.answer(task_id, "approve", by="clerk")


def test_an_answer_whose_message_was_lost_is_sent_again(rig: Rig, desk: Desk) -> None:
    """A task that was answered just before every message vanished goes on by the sweep."""
    task_id = asked(rig)
    desk.answer(task_id, "approve", by="clerk")
    rig.sqs.queues.clear()
    desk.sweep(stranded_after_s=-1.0)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_question_may_be_asked_for_a_year(rig: Rig, desk: Desk) -> None:
    """A question that waits for weeks is in no queue; what becomes of it is decided when its time has come."""
    document = [approve(timeout_s=86_400 * 30, default={})]
    assert parse_template({"name": "t", "deadline_s": 31_000_000, "stages": document})
    (task_id,) = rig.submit(rig.publish(document, deadline_s=31_000_000))
    rig.let_pass(task_id, -31_000_000)
    rig.drain()
    assert desk.sweep().sent == 0
    assert rig.sqs.take_all() == []
    rig.let_pass(task_id, 86_400 * 30)
    desk.sweep()
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
