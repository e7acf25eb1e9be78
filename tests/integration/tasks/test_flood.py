"""A project that submits more than its share at once, and the others."""

from uuid import uuid4

import pytest
import redis

from steersman.cache.connection import connect
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.tasks import flood
from steersman.tasks.flood import Flood
from steersman.tasks.words import Lane
from tests.fixtures import absent
from tests.fixtures.engine import Rig, stage

OURS, THEIRS = uuid4(), uuid4()


def test_what_is_too_much_of_a_project_goes_to_bulk(redis_client: redis.Redis) -> None:
    """Of a project's tasks at once as many as it may keep the standard lane, the first ones; others are not touched."""
    made = Flood(redis_client, tasks=3)
    mixed = [(OURS, Lane.STANDARD)] * 5 + [(THEIRS, Lane.STANDARD)]
    assert made.lanes(mixed) == [Lane.STANDARD] * 3 + [Lane.BULK] * 2 + [Lane.STANDARD]
    assert made.lanes([(OURS, Lane.STANDARD), (THEIRS, Lane.STANDARD)]) == [Lane.BULK, Lane.STANDARD]


def test_urgent_and_bulk_work_is_not_counted(redis_client: redis.Redis) -> None:
    """Urgent tasks keep their lane however many there are, and neither they nor bulk ones use up the standard lane."""
    made = Flood(redis_client, tasks=1)
    assert made.lanes([(OURS, Lane.URGENT)] * 3 + [(OURS, Lane.BULK)]) == [Lane.URGENT] * 3 + [Lane.BULK]
    assert made.lanes([(OURS, Lane.STANDARD)]) == [Lane.STANDARD]


def test_a_flood_that_is_over_is_forgotten(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard lane is a project's again as time goes by: all of it after the window."""
    monkeypatch.setattr(flood, "WINDOW_S", 0.001)
    made = Flood(redis_client, tasks=2)
    assert made.lanes([(OURS, Lane.STANDARD)] * 3)[-1] is Lane.BULK
    while redis_client.keys("*"):
        pass
    assert made.lanes([(OURS, Lane.STANDARD)] * 2) == [Lane.STANDARD] * 2


def test_without_redis_every_task_keeps_its_lane() -> None:
    """A cache that is away sends nobody to the bulk lane."""
    made = Flood(connect(absent.redis_url()), tasks=1)
    assert made.lanes([(OURS, Lane.STANDARD)] * 3) == [Lane.STANDARD] * 3


def test_what_follows_stays_in_the_lane_of_its_task(rig: Rig) -> None:
    """Stages that become ready, and retries, go where the message of the stage before came from; in their project's
    name.
    """
    rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    (message,) = rig.sqs.take_all()
    assert (message.lane, message.group) == ("standard", str(DEFAULT_PROJECT_ID))
    moved = type(message)(message.id, message.body, message.queue, "bulk")
    rig.engine.run([moved])
    (follower,) = rig.sqs.take_all()
    assert (follower.lane, follower.group) == ("bulk", message.group)


def test_a_lane_that_is_gone_is_not_used(rig: Rig) -> None:
    """What follows work of a lane that the environment no longer has goes where its priority belongs."""
    rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    (message,) = rig.sqs.take_all()
    rig.engine.run([type(message)(message.id, message.body, message.queue, "gone")])
    (follower,) = rig.sqs.take_all()
    assert follower.lane == "standard"


def test_urgent_work_overtakes(rig: Rig) -> None:
    """Where lanes are served side by side, an urgent task is done while hundreds that came before it still wait."""
    plan = rig.publish([stage("a"), stage("b", "a"), stage("c", "b")])
    flood = [task_id for _ in range(30) for task_id in rig.submit(plan, count=20)]
    (urgent,) = rig.submit(plan, priority="high")
    for _ in range(3):
        for lane in Lane:
            rig.engine.run(rig.sqs.take_lane(lane, 10))
    assert rig.task(urgent)["status"] == "completed"
    rows = rig.database.run("SELECT count(*) AS n FROM task_histories WHERE status = 'completed'")
    assert rows[0]["n"] < len(flood) / 2
