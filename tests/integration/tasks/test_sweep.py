"""The sweep: what crashes stranded goes on, what is past its deadline ends, and a sleeping database sleeps."""

from typing import Any

import pytest
import redis

from steersman.aws.queues import StageQueues
from steersman.cache.connection import connect
from steersman.db.connection import Database
from steersman.errors import AgentThrottled, Unavailable
from steersman.tasks import attempt_store
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from steersman.tasks.sweep import Swept, sweep
from tests.fixtures import absent
from tests.fixtures.engine import LANES, Rig, echo, stage


class Sweeper:
    """Sweeps with the parts of a rig; `parts` replaces some of them."""

    def __init__(self, rig: Rig, client: redis.Redis) -> None:
        self.parts: dict[str, Any] = {
            "database": rig.database,
            "queues": rig.queues,
            "live": rig.live,
            "open_work": OpenWork(client),
            "plans": Plans(rig.database),
            "lanes": LANES,
            "stranded_after_s": -1.0,  # what is of this moment is stranded already
            "warn": lambda text, _: rig.warnings.append(text),
        }

    def __call__(self, **parts: Any) -> Swept:
        return sweep(**{**self.parts, **parts})


@pytest.fixture
def sweeper(rig: Rig, redis_client: redis.Redis) -> Sweeper:
    return Sweeper(rig, redis_client)


def test_ready_work_whose_message_was_lost_is_sent_again(rig: Rig, sweeper: Sweeper) -> None:
    """A task whose messages vanished is sent again and completes."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b"), stage("c", "a", "b")]))
    rig.sqs.queues.clear()
    assert sweeper() == Swept(asleep=False, sent=2, expired=0)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_retry_that_waits_longer_than_a_message_can_is_sent_in_time(rig: Rig, sweeper: Sweeper) -> None:
    """A retry in more than 15 minutes is in no queue; the sweep sends it when its time has come, and not before."""
    throttled = AgentThrottled("slow down", retry_after_s=3600)
    rig.behaviours["a"] = lambda job: throttled if job.attempt == 1 else echo(job)
    patient = {"max_attempts": 3, "max_backoff_s": 7200}
    (task_id,) = rig.submit(rig.publish([stage("a", retry=patient), stage("b", "a")]))
    rig.step()
    (waiting, _) = rig.task(task_id)["stages"]
    assert waiting["status"] == "ready"
    assert waiting["error"]["code"] == "agent_throttled"
    assert waiting["next_attempt_at"] is not None
    assert rig.task(task_id)["status"] == "retrying"
    assert rig.step() is None
    assert sweeper(stranded_after_s=60.0).sent == 0
    rig.database.run("UPDATE task_stages SET ready_at = now() WHERE name = 'a'")
    assert sweeper(stranded_after_s=60.0).sent == 1
    assert sweeper(stranded_after_s=60.0).sent == 0
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_young_work_is_left_alone(rig: Rig, sweeper: Sweeper) -> None:
    """What is younger than a minute is on its way and not sent again."""
    rig.submit(rig.publish([stage("a")]))
    assert sweeper(stranded_after_s=60.0) == Swept(asleep=False)


def test_a_lost_lease_is_taken_over(rig: Rig, sweeper: Sweeper) -> None:
    """A stage whose worker crashed runs again as the next attempt; one whose lease holds is left alone."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.sqs.take_all()
    lease = attempt_store.Lease(task_id=task_id, stage="a", attempt=1, lease_id=task_id)
    attempt_store.claim(rig.database, [lease], lease_s=600)
    assert sweeper().sent == 0
    rig.database.run("UPDATE task_stages SET lease_expires_at = now() - interval '1 s'")
    assert sweeper().sent == 1
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [job.attempt for job in rig.agent.jobs] == [2]


def test_a_task_past_its_deadline_ends(rig: Rig, sweeper: Sweeper) -> None:
    """A task that nobody works on fails with deadline_passed, its stages are cancelled, and it is told."""
    (late,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    (early,) = rig.submit(rig.publish([stage("a")], name="other"))
    rig.sqs.take_all()
    tasks = Tasks(database=rig.database, live=rig.live, plans=rig.engine._plans)
    cursor = tasks.events(late, after=None, wait_s=0).cursor
    rig.database.run(
        "UPDATE task_histories SET deadline_at = now() - interval '1 s' WHERE id = %(id)s", {"id": late}
    )
    swept = sweeper()
    assert (swept.expired, swept.sent) == (1, 1)
    assert rig.task(late)["error"]["code"] == "deadline_passed"
    assert rig.statuses(late) == {"a": "cancelled", "b": "cancelled"}
    page = rig.live.read(late, cursor, wait_s=0)
    assert page is not None
    assert page.ended
    assert rig.task(early)["status"] == "pending"


def test_two_sweeps_at_once_do_no_harm(rig: Rig, sweeper: Sweeper) -> None:
    """Sweeping again sends again; the work is done once all the same."""
    rig.submit(rig.publish([stage("a")]))
    sweeper()
    sweeper()
    rig.drain()
    assert len(rig.agent.jobs) == 1


def test_an_idle_database_is_left_asleep(rig: Rig, sweeper: Sweeper) -> None:
    """After two sweeps that found nothing open Postgres is not asked any more, until something is submitted."""
    rig.submit(rig.publish([stage("a")]))
    rig.drain()
    assert [sweeper().asleep for _ in range(3)] == [False, False, True]
    assert sweeper(database=Database(absent.database_url())).asleep
    sweeper.parts["open_work"].submitted()
    assert not sweeper().asleep


def test_open_work_keeps_the_sweep_awake(rig: Rig, sweeper: Sweeper) -> None:
    """While a task is open, however quiet, the sweep goes on looking."""
    rig.submit(rig.publish([stage("a")]))
    assert [sweeper(stranded_after_s=60.0).asleep for _ in range(4)] == [False] * 4


def test_a_submission_between_two_sweeps_starts_the_count_anew(rig: Rig, sweeper: Sweeper) -> None:
    """A submission that began after the first quiet sweep is not slept over."""
    open_work = sweeper.parts["open_work"]
    assert not sweeper().asleep
    open_work.submitted()
    assert [sweeper().asleep for _ in range(3)] == [False, False, True]


def test_an_emptied_redis_may_hide_open_work(sweeper: Sweeper, redis_client: redis.Redis) -> None:
    """After a loss of the flag the sweep looks into Postgres before it sleeps again."""
    assert [sweeper().asleep for _ in range(3)] == [False, False, True]
    redis_client.flushdb()
    assert [sweeper().asleep for _ in range(3)] == [False, False, True]


def test_without_redis_the_sweep_does_its_work(rig: Rig, sweeper: Sweeper) -> None:
    """When Redis is away the sweep looks into Postgres and sends; it is only told that the flag is unknown."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.sqs.queues.clear()
    away = connect(absent.redis_url())
    assert sweeper(open_work=OpenWork(away), live=LiveTasks(away)).sent == 1
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert "the flag of open work cannot be read" in rig.warnings


class Gone:
    """An SQS client that takes nothing."""

    def send_message_batch(self, **_: Any) -> dict[str, Any]:
        return {"Failed": [{"Id": "0"}]}


def test_what_waits_and_could_not_be_sent_is_sent_by_the_next_sweep(rig: Rig, sweeper: Sweeper) -> None:
    """When the queues are away as a wait ends, the next sweep sends it, and not one that comes later."""
    wait = {"name": "wait", "kind": "wait", "wait": {"for_s": 200}}
    (task_id,) = rig.submit(rig.publish([wait]))
    rig.drain()
    rig.database.run("UPDATE task_stages SET ready_at = now()")
    rig.database.run("UPDATE task_timers SET due_at = now() WHERE stage = 'wait'")
    with pytest.raises(Unavailable):
        sweeper(queues=StageQueues(Gone(), "mem://"))
    sweeper()
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_sweep_that_cannot_be_done_says_so(rig: Rig, sweeper: Sweeper) -> None:
    """Without Postgres, or without the queues, a sweep fails as Unavailable, to be seen and done again."""
    with pytest.raises(Unavailable):
        sweeper(database=Database(absent.database_url()))
    rig.submit(rig.publish([stage("a")]))
    with pytest.raises(Unavailable):
        sweeper(queues=StageQueues(Gone(), "mem://"))
