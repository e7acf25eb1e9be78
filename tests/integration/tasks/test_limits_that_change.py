"""Budgets that are spent and raised, deadlines that are moved, and what tasks undo when theirs has passed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.errors import InvalidInput
from tests.fixtures.desk import Desk
from tests.fixtures.engine import Rig, costly, stage

EACH = {"items": "input.list", "concurrency": 1}


def limited(rig: Rig, stages: list[dict[str, Any]], items: int = 0, **constraints: Any) -> UUID:
    plan = rig.publish(stages)
    (task_id,) = rig.submit(plan, constraints=constraints, input={"list": list(range(items))})
    return task_id


@pytest.mark.parametrize(
    ("limit", "raised"),
    [({"budget_usd": "0.40"}, {"budget_usd": "1"}), ({"budget_tokens": 5}, {"budget_tokens": 50})],
)
def test_a_raised_budget_lets_the_task_go_on(
    rig: Rig, desk: Desk, limit: dict[str, Any], raised: dict[str, Any]
) -> None:
    """A task that waits because its budget in USD or tokens is spent goes on when that is raised, and only then."""
    rig.behaviours["a"] = costly("0.50", tokens=7)
    task_id = limited(rig, [stage("a"), stage("b", "a")], **limit)
    rig.drain()
    assert (rig.task(task_id)["status"], rig.statuses(task_id)["b"]) == ("awaiting", "awaiting")
    with pytest.raises(InvalidInput):
        desk.steering.amend(task_id, limit, by="somebody")
    desk.steering.amend(task_id, {"deadline_s": 400.0}, by="somebody")
    rig.drain()
    assert rig.statuses(task_id)["b"] == "awaiting"
    desk.steering.amend(task_id, raised, by="somebody")
    assert rig.task(task_id)["status"] == "running"
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert rig.task(task_id)["constraints"].items() >= raised.items()


def test_a_budget_holds_for_the_tasks_that_a_task_started(rig: Rig, desk: Desk) -> None:
    """Items of a fan-out wait when their task's budget is spent, and go on when that task's budget is raised."""
    rig.behaviours["each"] = costly("0.30")
    task_id = limited(rig, [stage("each", for_each=EACH), stage("after", "each")], items=4, budget_usd="0.50")
    rig.drain()
    task = rig.task(task_id)
    assert task["cost_usd"] == Decimal("0.6")
    assert task["stages"][0]["tasks"] == {"started": 4, "open": 2, "failed": 0}
    assert len(rig.agent.jobs) == 2
    desk.steering.amend(task_id, {"budget_usd": "5"}, by="somebody")
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert rig.task(task_id)["cost_usd"] == Decimal("1.2")


def test_a_task_whose_budget_is_spent_beside_a_branch_says_so(rig: Rig) -> None:
    """When the last branch beside a stage that waits for a budget ends, the task says `awaiting`."""
    rig.behaviours["a"] = costly("0.50")

    def do_the_other_branch(job: StageJob) -> StageResult:
        rig.drain_with(rig.new_engine())
        assert rig.statuses(job.task_id)["c"] == "awaiting"
        assert rig.task(job.task_id)["status"] == "running"
        return StageResult({})

    rig.behaviours["b"] = do_the_other_branch
    slow = {**stage("b"), "queue": "intent", "timeout_s": 100}
    task_id = limited(rig, [slow, stage("a"), stage("c", "a"), stage("d", "b", "c")], budget_usd="0.40")
    rig.engine.run(rig.sqs.take_from("intent"))
    assert rig.statuses(task_id) == {"a": "completed", "b": "completed", "c": "awaiting", "d": "pending"}
    assert rig.task(task_id)["status"] == "awaiting"


def test_a_waiting_task_ends_at_a_deadline_that_was_brought_forward(rig: Rig, desk: Desk) -> None:
    """The new deadline of a task holds while it waits, also when it is earlier than before."""
    wait = {"name": "wait", "kind": "wait", "wait": {"for_s": 50_000}}
    (task_id,) = rig.submit(rig.publish([wait], deadline_s=80_000))
    rig.let_pass(task_id, -79_700)
    rig.drain()
    desk.steering.amend(task_id, {"deadline_s": 600.0}, by="somebody")
    assert desk.sweep().expired == 0
    rig.let_pass(task_id, 601)
    assert desk.sweep().expired == 1
    assert rig.task(task_id)["error"]["code"] == "deadline_passed"


def test_a_waiting_task_outlives_a_deadline_that_was_put_off(rig: Rig, desk: Desk) -> None:
    """A task whose deadline was put off while it waits does not end at the old one."""
    ask = {"name": "ask", "kind": "approval", "approval": {"ask": "Go on?"}}
    (task_id,) = rig.submit(rig.publish([ask]))
    rig.drain()
    desk.steering.amend(task_id, {"deadline_s": 5000.0}, by="somebody")
    rig.let_pass(task_id, 400)
    assert desk.sweep().expired == 0
    desk.answer(task_id, "ask")
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_deadline_that_is_put_off_is_that_of_started_tasks_too(rig: Rig, desk: Desk) -> None:
    """Items that had to end with their task may take as long as it may now."""
    task_id = limited(rig, [stage("each", for_each=EACH)], items=2)
    rig.step()
    before = rig.task(task_id)["deadline_at"]
    desk.steering.amend(task_id, {"deadline_s": 5000.0}, by="somebody")
    found = rig.database.run("SELECT deadline_at FROM task_histories WHERE parent_task_id IS NOT NULL")
    assert {one["deadline_at"] - before > timedelta(seconds=4000) for one in found} == {True}


def test_a_task_past_its_deadline_undoes_what_it_did(rig: Rig, desk: Desk) -> None:
    """A task that fails because its deadline has passed, at work or waiting, is undone like any other."""
    undone = stage("hotel", undo="cancel_hotel")
    ask = {"name": "ask", "kind": "approval", "needs": ["hotel"], "approval": {"ask": "Go on?"}}
    plan = rig.publish([undone, ask, stage("cancel_hotel")], output="ask")
    (task_id,) = rig.submit(plan)
    rig.drain()
    rig.let_pass(task_id, 400)
    assert desk.sweep().expired == 1
    assert rig.task(task_id)["status"] == "running"
    assert rig.task(task_id)["failing"]["code"] == "deadline_passed"
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["error"]["code"]) == ("failed", "deadline_passed")
    assert rig.statuses(task_id) == {"hotel": "completed", "ask": "cancelled", "cancel_hotel": "completed"}


def test_many_timers_at_once_are_on_time(rig: Rig, desk: Desk) -> None:
    """Thousands of stages whose time comes in the same minute are all sent by the sweep of that minute."""
    wait = {"name": "wait", "kind": "wait", "wait": {"for_s": 7200}}
    rig.submit(rig.publish([wait], deadline_s=80_000), count=2500)
    rig.database.run("UPDATE task_histories SET deadline_at = now() + interval '1 d'")
    rig.drain(batch=1000)
    rig.database.run("UPDATE task_stages SET ready_at = now()")
    rig.database.run("UPDATE task_timers SET due_at = now() WHERE stage = 'wait'")
    desk.sweep()
    assert sum(message.body.count('"wait"') for message in rig.sqs.take_all()) == 2500


def test_timers_that_nobody_needs_hold_up_no_other(rig: Rig, desk: Desk) -> None:
    """Timers of what has ended since are forgotten in one sweep, however many there are."""
    wait = {"name": "wait", "kind": "wait", "wait": {"for_s": 7200}}
    task_ids = rig.submit(rig.publish([wait], deadline_s=80_000), count=1500)
    rig.drain(batch=1000)
    for task_id in task_ids[1:]:
        rig.cancel(task_id)
    rig.database.run("UPDATE task_timers SET due_at = now() - interval '1 s'")
    rig.pass_time(task_ids[0], "wait")
    desk.sweep()
    assert sum(message.body.count('"wait"') for message in rig.sqs.take_all()) == 1
