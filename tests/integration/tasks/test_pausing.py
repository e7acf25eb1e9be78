"""Tasks, templates and queues that are paused: what ends, what does not begin, and that all of it goes on."""

from typing import Any
from uuid import UUID

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.tasks import family_store, pause_store
from tests.fixtures.desk import Desk
from tests.fixtures.engine import Rig, stage

BY = "somebody"


def begun(rig: Rig, **more: Any) -> UUID:
    """Return a task whose first stage has completed, and whose second waits for a worker."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a"), stage("c", "b")], **more))
    rig.step()
    assert rig.statuses(task_id)["b"] == "ready"
    return task_id


def test_a_paused_task_begins_nothing(rig: Rig, desk: Desk) -> None:
    """No stage of a paused task begins, its messages are used up, and resuming it sends what was held."""
    task_id = begun(rig)
    desk.steering.pause_task(task_id, by=BY, reason=None)
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "ready", "c": "pending"}
    assert desk.sweep(stranded_after_s=-1.0).sent == 0
    assert rig.step() is None
    desk.steering.resume_task(task_id, by=BY)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [job.attempt for job in rig.agent.jobs] == [1, 1, 1]


def test_what_runs_when_a_task_is_paused_ends(rig: Rig, desk: Desk) -> None:
    """A stage that is at work when its task is paused completes; only what comes after is held."""

    def pause_meanwhile(job: StageJob) -> StageResult:
        desk.steering.pause_task(job.task_id, by=BY, reason=None)
        return StageResult({})

    rig.behaviours["a"] = pause_meanwhile
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "ready"}


def test_a_deadline_stands_still_while_its_task_is_paused(rig: Rig, desk: Desk) -> None:
    """A paused task does not expire, and its deadline moves by as long as it stood."""
    task_id = begun(rig)
    desk.steering.pause_task(task_id, by=BY, reason=None)
    before = rig.task(task_id)["deadline_at"]
    rig.database.run(
        "UPDATE task_histories SET deadline_at = now() - interval '1 s', "
        "paused = paused || jsonb_build_object('at', now() - interval '1 h')"
    )
    assert desk.sweep().expired == 0
    desk.steering.resume_task(task_id, by=BY)
    assert 3590 < (rig.task(task_id)["deadline_at"] - before).total_seconds() + 301 < 3610
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_pausing_a_task_pauses_the_tasks_that_it_started(rig: Rig, desk: Desk) -> None:
    """Items of a fan-out whose task is paused do not begin, and all of them are done once it goes on."""
    each = stage("each", for_each={"items": "input.list", "concurrency": 2})
    (task_id,) = rig.submit(rig.publish([each]), input={"list": list(range(5))})
    rig.step()
    desk.steering.pause_task(task_id, by=BY, reason=None)
    rig.drain()
    assert rig.agent.jobs == []
    desk.steering.resume_task(task_id, by=BY)
    rig.drain()
    assert rig.task(task_id)["output"]["completed"] == 5
    assert sorted(job.input["index"] for job in rig.agent.jobs) == [0, 1, 2, 3, 4]


def test_a_resumed_fan_out_keeps_its_limit(rig: Rig, desk: Desk) -> None:
    """Of a fan-out that goes on no more items begin at once than its concurrency allows."""
    each = stage("each", for_each={"items": "input.list", "concurrency": 2})
    (task_id,) = rig.submit(rig.publish([each]), input={"list": list(range(6))})
    rig.step()
    desk.steering.pause_task(task_id, by=BY, reason=None)
    rig.drain()
    desk.steering.resume_task(task_id, by=BY)
    assert sum(message.body.count('"each"') for message in rig.sqs.take_all()) == 2


def test_a_wait_whose_time_comes_in_a_pause_goes_on_after_it(rig: Rig, desk: Desk) -> None:
    """A stage of kind wait that ends while its task is paused holds the task no longer than the pause."""
    plan = rig.publish([{"name": "wait", "kind": "wait", "wait": {"for_s": 60}}, stage("after", "wait")])
    (task_id,) = rig.submit(plan)
    rig.drain()
    desk.steering.pause_task(task_id, by=BY, reason=None)
    rig.let_pass(task_id, 61)
    desk.sweep()
    rig.drain()
    assert rig.statuses(task_id)["after"] == "pending"
    desk.steering.resume_task(task_id, by=BY)
    desk.sweep()
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_wait_is_not_shortened_by_a_pause(rig: Rig, desk: Desk) -> None:
    """A task that is paused and resumed while a long wait lasts goes on at the time of the wait, and is sent for it."""
    plan = rig.publish([{"name": "wait", "kind": "wait", "wait": {"for_s": 7200}}], deadline_s=100_000)
    (task_id,) = rig.submit(plan)
    rig.let_pass(task_id, -90_000)
    rig.drain()
    desk.steering.pause_task(task_id, by=BY, reason=None)
    desk.steering.resume_task(task_id, by=BY)
    desk.sweep()
    assert rig.step() is None
    (timer,) = rig.database.run(
        "SELECT due_at = (SELECT ready_at FROM task_stages WHERE name = 'wait') AS same FROM task_timers "
        "WHERE stage = 'wait'"
    )
    assert timer["same"]


def test_an_answer_in_a_pause_counts_when_it_ends(rig: Rig, desk: Desk) -> None:
    """A question may be answered while its task is paused; the task goes on with it when it is resumed."""
    ask = {"name": "ask", "kind": "approval", "approval": {"ask": "Go on?"}}
    (task_id,) = rig.submit(rig.publish([ask, stage("after", "ask")]))
    rig.drain()
    desk.steering.pause_task(task_id, by=BY, reason=None)
    desk.answer(task_id, "ask")
    rig.drain()
    assert rig.statuses(task_id)["after"] == "pending"
    desk.steering.resume_task(task_id, by=BY)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_cancelling_a_paused_task_ends_it(rig: Rig, desk: Desk) -> None:
    """A paused task can be cancelled, and nothing of it stays open."""
    task_id = begun(rig)
    desk.steering.pause_task(task_id, by=BY, reason=None)
    rig.drain()
    rig.cancel(task_id)
    assert set(rig.statuses(task_id).values()) == {"completed", "cancelled"}


@pytest.mark.parametrize(("scope", "name"), [("template", "sample"), ("queue", "executor")])
def test_a_paused_template_or_queue_begins_nothing(rig: Rig, desk: Desk, scope: str, name: str) -> None:
    """Stages of a paused template or queue are held without losing an attempt, and sent when the pause ends."""
    before = begun(rig)
    desk.pause(scope, name)
    (meanwhile,) = rig.submit(rig.publish([stage("a")], name="sample"))
    rig.drain()
    assert (rig.statuses(before)["b"], rig.statuses(meanwhile)) == ("ready", {"a": "ready"})
    assert len(rig.agent.jobs) == 1
    desk.resume(scope, name)
    rig.drain()  # the workers do not know yet that it goes on
    assert [rig.task(one)["status"] for one in (before, meanwhile)] == ["completed", "completed"]
    assert {job.attempt for job in rig.agent.jobs} == {1}


def test_what_is_paused_twice_goes_on_when_both_pauses_have_ended(rig: Rig, desk: Desk) -> None:
    """A stage whose task and queue are paused begins only when neither is any more."""
    task_id = begun(rig)
    desk.pause("queue", "executor")
    desk.steering.pause_task(task_id, by=BY, reason=None)
    rig.drain()
    desk.resume("queue", "executor")
    rig.drain()
    assert rig.statuses(task_id)["b"] == "ready"
    desk.steering.resume_task(task_id, by=BY)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_items_of_a_paused_template_keep_their_turn(rig: Rig, desk: Desk) -> None:
    """When a pause ends, items of a fan-out whose turn has not come are not sent by that."""
    each = stage("each", for_each={"items": "input.list", "concurrency": 2})
    (task_id,) = rig.submit(rig.publish([each]), input={"list": list(range(6))})
    rig.step()
    desk.pause("template", "sample")
    rig.drain()
    desk.resume("template", "sample")
    messages = rig.sqs.take_all()
    assert sum(message.body.count('"each"') for message in messages) == 2
    rig.engine.run(messages)
    rig.drain()
    assert rig.task(task_id)["output"]["completed"] == 6
    found = family_store.page(rig.database, task_id, "each", status="completed", after=-1, limit=10)
    assert len(found) == 6


def test_what_nothing_holds_any_more_is_found_by_the_sweep(rig: Rig, desk: Desk) -> None:
    """What was held when a pause's end was noted, by a process that died before it sent it, is sent by the sweep."""
    task_id = begun(rig)
    desk.pause("queue", "executor")
    rig.drain()
    assert pause_store.remove(rig.database, DEFAULT_PROJECT_ID, "queue", "executor")
    rig.drain()
    assert rig.statuses(task_id)["b"] == "ready"
    assert desk.sweep().sent == 0, "what was held a moment ago is left alone"
    assert desk.sweep(stranded_after_s=-1.0).sent == 1
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
