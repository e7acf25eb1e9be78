"""A task's stream in Redis: what its entries hold, the order of its events, and scripts that Redis forgot."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.cache.connection import connect
from steersman.events import cloudevent
from steersman.json import loads
from steersman.local.redis import start_redis
from steersman.tasks import log_store
from steersman.tasks.live import LiveTasks
from steersman.tasks.log_store import Fact
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from tests.fixtures.engine import Rig, costly, stage


@pytest.fixture
def facts(rig: Rig) -> list[Fact]:
    """The first facts of a task: it is submitted, and three stages are ready."""
    (task_id,) = rig.submit(rig.publish([stage(name) for name in "abc"], output="a"))
    found = log_store.facts(rig.database, task_id)
    assert [fact.event for fact in found] == ["task.submitted", *["stage.ready"] * 3]
    return found


@pytest.fixture
def tasks(rig: Rig) -> Tasks:
    return Tasks(database=rig.database, live=rig.live, plans=Plans(rig.database))


def begin(live: LiveTasks, fact: Fact) -> None:
    """Have a task watched whose stream holds one event so far."""
    live.watch(fact.task_id)
    live.begin_rebuild(fact.task_id)
    live.rebuild(fact.task_id, [fact])


def ids(facts: list[Fact]) -> list[str]:
    return [f"{fact.task_id}-{fact.id}" for fact in facts]


def told(live: LiveTasks, task_id: UUID, cursor: str | None = None) -> list[str]:
    """Return the ids of the events in an answer of the stream."""
    page = live.read(task_id, cursor, wait_s=0)
    assert page is not None
    return [event["id"] for event in page.events]


def entries(client: redis.Redis, task_id: UUID) -> list[dict[bytes, bytes]]:
    found: Any = client.xrange(f"task:{{{task_id}}}:events")
    return [fields for _, fields in found]


@pytest.fixture
def followed(rig: Rig, tasks: Tasks) -> UUID:
    """A task that somebody followed from its first event on, and that is done."""
    rig.behaviours["a"] = costly("0.25", tokens=3)
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    tasks.events(task_id, after=None, wait_s=0)
    rig.drain()
    return task_id


def test_an_entry_holds_what_its_event_cannot_do_without(
    rig: Rig, followed: UUID, redis_client: redis.Redis
) -> None:
    """An entry is one field: id, stage, event, attempt, detail and microseconds; what the key says is not in it."""
    logged = log_store.facts(rig.database, followed)
    found = entries(redis_client, followed)
    assert [list(fields) for fields in found] == [[b"event"]] * len(logged)
    held = [loads(fields[b"event"]) for fields in found]
    wanted = [[fact.id, fact.stage, fact.event, fact.attempt, fact.text] for fact in logged]
    assert [one[:5] for one in held] == wanted
    assert [one[5] / 1e6 for one in held] == [pytest.approx(fact.created_at.timestamp()) for fact in logged]
    ready = next(fields[b"event"] for fields in found if b"stage.ready" in fields[b"event"])
    assert len(ready) < 60
    assert not [fields for fields in found if str(followed).encode() in fields[b"event"]]


def test_a_stream_tells_what_the_log_tells(rig: Rig, followed: UUID) -> None:
    """Read back from a stream, events are those of the log, to the microsecond."""
    page = rig.live.read(followed, None, wait_s=0)
    assert page is not None
    assert page.events == [cloudevent.of_fact(fact) for fact in log_store.facts(rig.database, followed)]


def test_events_of_one_answer_are_in_order_however_they_were_published(rig: Rig, facts: list[Fact]) -> None:
    """Events that workers published out of order come in the order of their ids within an answer, each once."""
    begin(rig.live, facts[0])
    for number in (3, 1, 2):
        rig.live.publish([facts[number]])
    page = rig.live.read(facts[0].task_id, None, wait_s=0)
    assert page is not None
    assert [event["id"] for event in page.events] == ids(facts)
    assert told(rig.live, facts[0].task_id, page.cursor) == []


def test_events_of_one_publication_are_put_in_order(
    rig: Rig, facts: list[Fact], redis_client: redis.Redis
) -> None:
    """Facts told together in any order stand in the stream in the order of their ids."""
    begin(rig.live, facts[0])
    rig.live.publish(facts[:0:-1])
    held = [loads(fields[b"event"])[0] for fields in entries(redis_client, facts[0].task_id)]
    assert held == [fact.id for fact in facts]


@pytest.mark.parametrize("reached", [(), (3,), (2,), (1, 3)])
def test_a_first_answer_has_what_redis_missed(
    rig: Rig, tasks: Tasks, facts: list[Fact], reached: tuple[int, ...]
) -> None:
    """Who begins to follow gets every event so far, in order, also those that never reached Redis, and each once."""
    begin(rig.live, facts[0])
    for number in reached:
        rig.live.publish([facts[number]])
    task_id = facts[0].task_id
    first = tasks.events(task_id, after=None, wait_s=0)
    assert [event["id"] for event in first.events] == ids(facts)
    assert not first.ended
    rig.live.publish(facts)  # the worker was only slow
    assert tasks.events(task_id, after=first.cursor, wait_s=0).events == []


@pytest.fixture
def own_redis() -> Iterator[redis.Redis]:
    """A client of a server that no other test uses: scripts belong to a server, not to a database of it."""
    with (
        tempfile.TemporaryDirectory(prefix="steersman-redis-") as folder,
        start_redis(Path(folder).resolve(), durable=False) as server,
        connect(server.url) as client,
    ):
        yield client


def reads(client: redis.Redis) -> int:
    """Return how often the server has read from its clients, which is once for each small round trip."""
    return int(client.info("stats")["total_reads_processed"])


def round_trips(client: redis.Redis, live: LiveTasks, facts: list[Fact]) -> int:
    before = reads(client)
    live.publish(facts)
    return reads(client) - before - 1  # asking is a round trip itself


def test_publishing_survives_that_redis_forgot_its_scripts(own_redis: redis.Redis, facts: list[Fact]) -> None:
    """To tell of a watched task is two round trips; once after SCRIPT FLUSH it is four, and no event is lost."""
    live = LiveTasks(own_redis)
    begin(live, facts[0])
    live.publish(facts[:1])
    assert round_trips(own_redis, live, facts[1:2]) == 2
    own_redis.script_flush()
    assert round_trips(own_redis, live, facts[2:3]) == 4
    assert round_trips(own_redis, live, facts[3:]) == 2
    assert told(live, facts[0].task_id) == ids(facts)


def test_to_tell_of_what_nobody_watches_is_one_question(own_redis: redis.Redis, rig: Rig) -> None:
    """Facts of unwatched tasks cost one round trip however many there are, no facts none, and nothing is kept."""
    task_ids = rig.submit(rig.publish([stage("a")]), count=30)
    live = LiveTasks(own_redis)
    own_redis.ping()
    assert (
        round_trips(
            own_redis, live, [fact for one in task_ids for fact in log_store.facts(rig.database, one)]
        )
        == 1
    )
    assert round_trips(own_redis, live, []) == 0
    assert own_redis.dbsize() == 0


def test_events_of_many_tasks_survive_that_redis_forgot_its_scripts(own_redis: redis.Redis, rig: Rig) -> None:
    """When the script is not known, the events of all watched tasks of a batch are published, each once."""
    task_ids = rig.submit(rig.publish([stage("a")]), count=30)
    logged = {task_id: log_store.facts(rig.database, task_id) for task_id in task_ids}
    live = LiveTasks(own_redis)
    for task_id in task_ids[::2]:
        begin(live, logged[task_id][0])
    own_redis.script_flush()
    live.publish([fact for found in logged.values() for fact in found])
    for task_id in task_ids[::2]:
        assert told(live, task_id) == ids(logged[task_id])
    assert [live.length(task_id) for task_id in task_ids[1::2]] == [0] * 15
