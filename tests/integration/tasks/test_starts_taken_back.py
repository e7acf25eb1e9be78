"""A claim that is put back to wait for a place has not begun: nothing that followers are told may rest on its start."""

from collections.abc import Sequence

import pytest

from steersman.errors import Unavailable
from steersman.ids import new_id
from steersman.tasks import attempt_store, log_store
from steersman.tasks.attempt_store import Lease
from steersman.tasks.log_store import Fact
from steersman.tasks.service import Tasks
from tests.fixtures.engine import Rig, stage


def lose(facts: Sequence[Fact]) -> None:
    """Be a Redis that is away for a moment."""
    raise Unavailable("the cache does not answer; try again", retry_after_s=1)


def test_a_start_that_is_taken_back_hides_no_event_that_is_missing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who begins to follow while stages are claimed and put back is told every event, also those lost on their way."""
    tasks = Tasks(database=rig.database, live=rig.live, plans=rig.engine._plans)
    names = ("a", "b", "c")
    (task_id,) = rig.submit(rig.publish([*map(stage, names), stage("last", *names)]))
    leases = [Lease(task_id, name, 1, new_id()) for name in names]
    attempt_store.claim(rig.database, leases, lease_s=60.0)
    rig.live._redis.flushall()
    page = tasks.events(task_id, after=None, wait_s=0)
    seen = list(page.events)
    attempt_store.put_back(rig.database, [(one, "project") for one in leases], patience_s=60.0)
    for _ in names:
        rig.step(batch=1)
    with monkeypatch.context() as patched:
        patched.setattr(rig.live, "publish", lose)
        rig.drain()  # the last stage's start and end, and the task's
    for _ in range(5):
        page = tasks.events(task_id, after=page.cursor, wait_s=0)
        seen += page.events
    assert page.ended
    logged = [f"{task_id}-{fact.id}" for fact in log_store.facts(rig.database, task_id)]
    assert sorted(event["id"] for event in seen) == sorted(logged)


def test_a_start_is_settled_after_some_seconds(rig: Rig) -> None:
    """A stage that goes on running is among what streams are rebuilt of once its claim can be put back no more."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    attempt_store.claim(rig.database, [Lease(task_id, "a", 1, new_id())], lease_s=60.0)
    assert "stage.started" not in {
        fact.event for fact in log_store.facts(rig.database, task_id, settled=True)
    }
    past = "UPDATE task_stages SET started_at = started_at - make_interval(secs => %(seconds)s)"
    rig.database.run(past, {"seconds": log_store.SETTLED_S})
    assert "stage.started" in {fact.event for fact in log_store.facts(rig.database, task_id, settled=True)}
    assert log_store.fact_count(rig.database, task_id) == len(log_store.facts(rig.database, task_id))
