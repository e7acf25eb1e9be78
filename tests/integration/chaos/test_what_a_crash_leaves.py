"""What must still come when a worker dies, or the cache is away, between storing a result and telling of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.agents.job import StageJob
from steersman.agents.registry import Registry
from steersman.aws.queues import StageQueues
from steersman.cache.connection import connect
from steersman.errors import AgentError
from steersman.json import loads
from steersman.tasks import log_store, task_store
from steersman.tasks.engine import Engine, Message
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from steersman.tasks.sweep import sweep
from tests.fixtures import absent
from tests.fixtures.engine import LANES, Rig, stage


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the product may catch it."""


def dies_at(name: str) -> Callable[[str], None]:
    """Return failpoints of which one ends the worker."""

    def reach(reached: str) -> None:
        if reached == name:
            raise Killed(name)

    return reach


def engine(rig: Rig, **parts: Any) -> Engine:
    """Return another worker of the rig, with some of its parts changed."""
    usual: dict[str, Any] = {
        "database": rig.database,
        "queues": rig.queues,
        "live": rig.live,
        "registry": Registry(rig.database, lambda _: rig.agent),
        "plans": Plans(rig.database),
        "lanes": LANES,
        "warn": lambda text, _: rig.warnings.append(text),
    }
    return Engine(**{**usual, **parts})


def again(message: Message) -> Message:
    """Return a message as it comes once more."""
    return Message(message.id, message.body, message.queue, message.lane, message.receive_count + 1)


def refuse(_: StageJob) -> AgentError:
    return AgentError("never mind")


def dead_letters(rig: Rig) -> list[tuple[str, str]]:
    """Return task and stage of every dead letter."""
    letters = [loads(message.body) for message in rig.sqs.take(100, dead=True)]
    return [(letter["task_id"], letter["stage"]) for letter in letters]


def test_a_dead_letter_outlives_the_worker_that_was_to_write_it(rig: Rig) -> None:
    """A stage that failed for good has its dead letter, though its worker died after storing the failure."""
    rig.behaviours["a"] = refuse
    (task_id,) = rig.submit(rig.publish([stage("a", retry={"max_attempts": 1})]))
    messages = rig.sqs.take(10)
    with pytest.raises(Killed):
        engine(rig, reach=dies_at("engine.completed")).run(messages)
    assert rig.task(task_id)["status"] == "failed"
    rig.engine.run([again(message) for message in messages])
    assert dead_letters(rig) == [(str(task_id), "a")]


def test_a_dead_letter_that_is_written_again_says_the_same(rig: Rig) -> None:
    """The letter that a redelivered job leads to has the fields of the first, and their values."""
    rig.behaviours["a"] = lambda job: refuse(job) if job.attempt == 2 else AgentError("once more")
    (task_id,) = rig.submit(rig.publish([stage("a", retry={"max_attempts": 2, "backoff_s": 0.01})]))
    rig.step()
    messages = rig.sqs.take(10)
    rig.engine.run(messages)
    rig.engine.run([again(message) for message in messages])
    first, second = (loads(message.body) for message in rig.sqs.take(10, dead=True))
    # The line in the log and the stage's end are a moment apart.
    times = [datetime.fromisoformat(letter.pop("failed_at")) for letter in (first, second)]
    assert abs(times[0] - times[1]) < timedelta(seconds=5)
    assert first == second
    assert (first["task_id"], first["stage"], first["attempt"]) == (str(task_id), "a", 2)
    assert (first["error"]["message"], first["error"]["agent"]) == ("never mind", "worker")
    assert (first["template"], first["correlation_id"]) == ("sample", "test")


def test_a_dead_letter_outlives_a_queue_that_did_not_take_it(rig: Rig) -> None:
    """A stage that failed for good has its dead letter, though the queue was away when it was first sent."""
    rig.behaviours["a"] = refuse
    (task_id,) = rig.submit(rig.publish([stage("a", retry={"max_attempts": 1})]))
    messages = rig.sqs.take(10)
    report = engine(rig, queues=StageQueues(_AwayForDeadLetters(), "mem://")).run(messages)
    assert report.failed_messages == [message.id for message in messages]
    rig.engine.run([again(message) for message in messages])
    assert dead_letters(rig) == [(str(task_id), "a")]


class _AwayForDeadLetters:
    """An SQS that takes nothing."""

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        return {"Failed": [{"Id": entry["Id"]} for entry in Entries]}


def test_followers_miss_nothing_that_happened_while_redis_was_away(rig: Rig) -> None:
    """A stream that outlived a time without Redis has every event all the same, the task's end too."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    without_redis = engine(rig, live=LiveTasks(connect(absent.redis_url())))
    while rig.step(engine=without_redis):
        continue
    assert followed(rig, task_id) == (events(rig, task_id), True)


def test_followers_miss_nothing_when_redis_comes_back_before_the_end(rig: Rig) -> None:
    """What happened while Redis was away is in the stream when the rest of the task is told to it again."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    rig.step(engine=engine(rig, live=LiveTasks(connect(absent.redis_url()))))
    rig.drain()
    assert followed(rig, task_id) == (events(rig, task_id), True)


def test_followers_learn_of_an_end_that_the_sweep_could_not_tell(rig: Rig, redis_client: redis.Redis) -> None:
    """A task that the sweep ended while Redis was away has ended for its followers too."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.database.run("UPDATE task_histories SET deadline_at = now() - interval '1 s'")
    swept = sweep(
        database=rig.database,
        queues=rig.queues,
        live=LiveTasks(connect(absent.redis_url())),
        open_work=OpenWork(redis_client),
        plans=Plans(rig.database),
        lanes=LANES,
        warn=lambda text, _: rig.warnings.append(text),
        stranded_after_s=-1.0,  # what is of this moment is looked at already
    )
    assert swept.expired == 1
    rig.drain()  # the stage's message still comes, and finds the task over
    assert followed(rig, task_id) == (events(rig, task_id), True)


def test_followers_learn_of_a_start_that_its_worker_did_not_live_to_tell(rig: Rig) -> None:
    """A stage that a worker claimed and did not tell of, whose task was then cancelled, has started for followers."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    messages = rig.sqs.take(10)
    with pytest.raises(Killed):
        engine(rig, reach=dies_at("engine.claimed")).run(messages)
    rig.live.publish(task_store.stop(rig.database, [task_id], status="cancelled", errors=[None]))
    rig.engine.run([again(message) for message in messages])
    assert followed(rig, task_id) == (events(rig, task_id), True)


def followed(rig: Rig, task_id: UUID) -> tuple[set[str], bool]:
    """Return the ids of all events that a new follower gets until the end, or silence, and whether it was the end."""
    tasks = Tasks(database=rig.database, live=rig.live, plans=Plans(rig.database))
    ids, cursor, ended, silent = set[str](), None, False, False
    while not ended and not silent:
        page = tasks.events(task_id, after=cursor, wait_s=0)
        ids |= {event["id"] for event in page.events}
        cursor, ended, silent = page.cursor, page.ended, not page.events
    return ids, ended


def events(rig: Rig, task_id: UUID) -> set[str]:
    return {f"{task_id}-{fact.id}" for fact in log_store.facts(rig.database, task_id)}
