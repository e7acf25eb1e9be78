"""The trigger that the chaos run trusts writes down every change, and the checker reads faults out of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from bench.chaos.history import Change, TaskHistory
from bench.chaos.rules_witnesses import changes_are_allowed, leases_are_single
from bench.chaos.witness import changes, install_witness, schedule_steps
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.tasks import schedule_store, task_store
from tests.fixtures.engine import Rig, stage
from tests.unit.bench import sound_history

SOUND = sound_history.task()


@pytest.fixture
def watched(rig: Rig) -> Rig:
    install_witness(rig.database)
    return rig


def seen(rig: Rig, task_id: UUID) -> list[Change]:
    return list(changes(rig.database)[task_id])


def faults(history: TaskHistory) -> set[str]:
    return {rule for check in (changes_are_allowed, leases_are_single) for rule, _ in check(history)}


def test_the_way_of_a_task_is_written_down_and_in_order(watched: Rig) -> None:
    """Every change of a task and its stages is there, in the order in which it happened, and none is wrong."""
    (task_id,) = watched.submit(watched.publish([stage("a"), stage("b", "a")]))
    watched.drain()
    found = seen(watched, task_id)
    ways = {name: [one.after for one in found if one.stage == name] for name in (None, "a", "b")}
    assert ways["a"] == ["ready", "running", "completed"]
    assert ways["b"] == ["pending", "ready", "running", "completed"]
    assert (ways[None][0], ways[None][-1]) == ("pending", "completed")
    assert faults(replace(SOUND, changes=found)) == set()


def test_a_stage_that_begins_after_the_end_is_found(watched: Rig) -> None:
    """A row that is set running behind the product's back, after its task was cancelled, is found."""
    (task_id,) = watched.submit(watched.publish([stage("a")]))
    task_store.stop(watched.database, [task_id], status="cancelled", errors=[None])
    assert faults(replace(SOUND, changes=seen(watched, task_id))) == set()
    watched.database.run("UPDATE task_stages SET status = 'running'")
    assert faults(replace(SOUND, changes=seen(watched, task_id))) >= {
        "allowed transitions",
        "nothing begins after the end",
    }


def test_a_lease_that_passes_on_too_early_is_found(watched: Rig) -> None:
    """A lease that gets another holder while it runs is found; once it ran out it may."""
    (task_id,) = watched.submit(watched.publish([stage("a")]))
    take = """
        UPDATE task_stages
        SET status = 'running', lease_id = %(lease)s, lease_expires_at = now() + %(left)s::interval"""
    watched.database.run(take, {"lease": new_id(), "left": "-1 s"})
    watched.database.run(take, {"lease": new_id(), "left": "60 s"})
    assert faults(replace(SOUND, changes=seen(watched, task_id))) == set()
    watched.database.run(take, {"lease": new_id(), "left": "60 s"})
    assert faults(replace(SOUND, changes=seen(watched, task_id))) == {"no lease is held twice"}


def test_each_step_of_a_schedule_is_written_down(watched: Rig) -> None:
    """What a schedule stood at, went on to, and noted of its time is there, in the order in which it happened."""
    schedule_id, due = new_id(), datetime(2027, 1, 15, 12, tzinfo=UTC)
    schedule_store.add(
        watched.database,
        {
            "id": schedule_id,
            "project_id": DEFAULT_PROJECT_ID,
            "name": "nightly",
            "template_name": "sample",
            "input": {},
            "when_kind": "rate",
            "expression": "1 minute",
            "next_at": due,
            "created_by": "test",
        },
    )
    after = due + timedelta(minutes=1)
    skip = {"last_skip": {"due_at": due, "reason": "it was open"}, "next_at": after}
    schedule_store.change(watched.database, schedule_id, skip)
    schedule_store.change(watched.database, schedule_id, {"paused": True})
    made, moved, paused = schedule_steps(watched.database)[schedule_id]
    assert (made.due_at, made.next_at, made.moves) == (None, due.timestamp(), False)
    assert (moved.due_at, moved.next_at, moved.skipped_at) == (
        due.timestamp(),
        after.timestamp(),
        due.timestamp(),
    )
    assert (moved.moves, paused.moves, paused.was_paused, paused.paused) == (True, False, False, True)
