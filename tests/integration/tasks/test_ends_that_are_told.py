"""Ends of started tasks that a worker did not bring to their parent: cancelled by hand, or lost in a crash."""

from uuid import UUID

from steersman.tasks import family_store, task_store
from steersman.tasks.service import Tasks
from tests.fixtures.desk import Desk
from tests.fixtures.engine import Rig, stage


def fan_out(rig: Rig, **policy: int) -> tuple[UUID, list[UUID]]:
    """Return a task whose stage `each` has started three tasks, one at a time, and their ids."""
    each = stage("each", for_each={"items": "input.list", "concurrency": 1, **policy})
    (task_id,) = rig.submit(rig.publish([each, stage("after", "each")]), input={"list": [1, 2, 3]})
    rig.step()
    rows = family_store.page(rig.database, task_id, "each", status=None, after=-1, limit=10)
    return task_id, [row["id"] for row in rows]


def test_an_item_that_is_cancelled_by_hand_lets_the_next_begin(rig: Rig, desk: Desk) -> None:
    """A fan-out hears of an item that somebody cancels: it counts as failed, and the next item begins."""
    task_id, items = fan_out(rig, tolerate=1)
    rig.sqs.take_all()
    desk.tasks.cancel(items[0], by="somebody", reason=None)
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "completed"
    assert task["stages"][0]["tasks"] == {"started": 3, "open": 0, "failed": 1}


def test_an_item_too_many_that_is_cancelled_fails_the_fan_out(rig: Rig, desk: Desk) -> None:
    """Where no item may fail, cancelling one fails the stage, and the others are not begun."""
    task_id, items = fan_out(rig)
    desk.tasks.cancel(items[2], by="somebody", reason=None)
    rig.drain()
    assert rig.task(task_id)["error"]["code"] == "children_failed"


def test_an_end_that_nobody_was_told_of_is_found_by_the_sweep(rig: Rig, desk: Desk) -> None:
    """An item whose end was stored by a process that died before it told the parent is told by the sweep."""
    task_id, items = fan_out(rig, tolerate=1)
    rig.sqs.take_all()
    task_store.stop(rig.database, items[:1], status="cancelled", errors=[None])
    rig.drain()
    assert rig.statuses(task_id)["each"] == "running"
    assert desk.sweep().sent == 0
    rig.drain()
    assert rig.statuses(task_id)["each"] == "running", "whoever ended it may be about to tell"
    desk.sweep(stranded_after_s=-1.0)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_cancelling_works_though_the_queues_are_away(rig: Rig, desk: Desk) -> None:
    """A started task is cancelled though its parent's next item cannot be sent; the sweep sends that."""
    task_id, items = fan_out(rig, tolerate=1)
    rig.sqs.queues.clear()
    away = Tasks(database=rig.database, live=rig.live, plans=desk.plans, ended=desk.without_queues.ended)
    assert away.cancel(items[0], by="somebody", reason=None)["status"] == "cancelled"
    desk.sweep(stranded_after_s=-1.0)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
