"""What Redis holds of a task, and what becomes of it when Redis loses it or is away."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from steersman.agents.job import StageJob, StageResult
from steersman.cache.connection import connect
from steersman.errors import Conflict, InvalidInput, NotFound
from steersman.json import dumps
from steersman.tasks import live, log_store, task_store
from steersman.tasks.live import AFTER_END_S, SILENT_S, LiveTasks
from steersman.tasks.service import Tasks
from tests.fixtures import absent
from tests.fixtures.engine import Rig, stage
from tests.fixtures.waiting import wait_for_a_reader

WAY = ["task.submitted", "stage.ready", "stage.started", "stage.completed"]


class Follower:
    """A client that follows one task by its cursors."""

    def __init__(self, tasks: Tasks, task_id: UUID) -> None:
        self.tasks = tasks
        self.task_id = task_id
        self.cursor: str | None = None
        self.seen: list[str] = []
        self.ended = False

    def poll(self, wait_s: float = 0) -> list[str]:
        """Ask once and return the ids of the events that came."""
        page = self.tasks.events(self.task_id, after=self.cursor, wait_s=wait_s)
        self.cursor, self.ended = page.cursor, page.ended
        ids = [event["id"] for event in page.events]
        self.seen += ids
        return ids


@pytest.fixture
def tasks(rig: Rig) -> Tasks:
    return Tasks(database=rig.database, live=rig.live, plans=rig.engine._plans)


@pytest.fixture
def two_stages(rig: Rig) -> UUID:
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    return task_id


def logged(rig: Rig, task_id: UUID) -> list[str]:
    return [f"{task_id}-{fact.id}" for fact in log_store.facts(rig.database, task_id)]


def test_a_follower_sees_every_event_once_and_in_order(rig: Rig, tasks: Tasks, two_stages: UUID) -> None:
    """Polling along with the work, a client gets all events of the log, each once, and learns of the end."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    while rig.step():
        assert not follower.ended
        follower.poll()
    assert follower.seen == logged(rig, two_stages)
    assert follower.ended
    assert follower.poll() == []


def test_who_is_not_watched_costs_one_question_and_leaves_nothing(
    rig: Rig, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """Work on a task that nobody looks at keeps nothing in Redis: its events are in the log."""
    rig.drain()
    assert redis_client.dbsize() == 0


def test_who_stops_watching_and_comes_again_misses_nothing(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """What happened while nobody watched is told to the follower that comes back with its cursor."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    redis_client.zadd(live.WATCHED, {two_stages.bytes: 1})  # the two minutes are long over
    redis_client.zremrangebyscore(live.WATCHED, "-inf", 1)
    rig.step()
    follower.poll()
    rig.drain()
    follower.poll()
    assert follower.seen == logged(rig, two_stages)
    assert follower.ended


def test_watching_ends_by_itself(rig: Rig, two_stages: UUID, redis_client: redis.Redis) -> None:
    """A task is watched for two minutes from the last look, and the next watcher of any task clears away the old."""
    assert not rig.live.watch(two_stages)
    assert rig.live.watch(two_stages)
    (until,) = redis_client.zmscore(live.WATCHED, [two_stages.bytes])  # type: ignore[list-item]
    assert until == pytest.approx(redis_client.time()[0] + live.WATCHED_S, abs=2)
    redis_client.zadd(live.WATCHED, {two_stages.bytes: 1})
    assert not rig.live.watch(uuid4())
    assert not rig.live.watch(two_stages)


def test_a_lost_stream_is_rebuilt_with_every_event_once(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """After Redis was emptied the stream is rebuilt from the log, and goes on from there; nothing comes twice."""
    rig.step()
    redis_client.flushdb()
    follower = Follower(tasks, two_stages)
    assert follower.poll() == logged(rig, two_stages)
    rig.drain()
    follower.poll()
    assert follower.seen == logged(rig, two_stages)
    assert follower.ended


def test_a_cursor_of_a_lost_stream_starts_over(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """Who comes with a cursor from before the loss gets all events again, none is left out."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    redis_client.flushdb()
    rig.drain()
    assert follower.poll() == logged(rig, two_stages)


@pytest.mark.parametrize("moment", ["before", "begun", "read"])
def test_events_published_while_a_stream_is_rebuilt_are_not_lost(
    rig: Rig,
    tasks: Tasks,
    two_stages: UUID,
    redis_client: redis.Redis,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whenever a worker goes on during a rebuild, readers get every event, each once."""
    redis_client.flushdb()

    def work_meanwhile(real: Callable[..., Any], at: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            result = real(*arguments, **more)
            if at == moment and rig.sqs.queues:
                rig.drain()
            return result

        return call

    monkeypatch.setattr(tasks, "_found", work_meanwhile(tasks._found, "before"))
    monkeypatch.setattr(rig.live, "begin_rebuild", work_meanwhile(rig.live.begin_rebuild, "begun"))
    monkeypatch.setattr(log_store, "facts", work_meanwhile(log_store.facts, "read"))
    follower = Follower(tasks, two_stages)
    follower.poll()
    monkeypatch.undo()
    follower.poll()
    assert follower.seen == logged(rig, two_stages)
    assert follower.ended


def test_an_event_published_after_it_was_rebuilt_is_not_told_twice(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """A fact that is committed, rebuilt from the log and only then published is in the stream once."""
    redis_client.flushdb()
    facts = task_store.stop(rig.database, [two_stages], status="cancelled", errors=[None])
    follower = Follower(tasks, two_stages)
    follower.poll()
    rig.live.publish(facts)
    follower.poll()
    assert follower.seen == logged(rig, two_stages)


def test_many_readers_rebuild_at_once(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis, database_url: str
) -> None:
    """Readers that find the stream missing at the same time all get every event once, while work goes on."""
    redis_client.flushdb()
    start = threading.Barrier(5, timeout=30)
    followers = [Follower(tasks, two_stages) for _ in range(4)]

    def follow(follower: Follower) -> None:
        start.wait()
        for _ in range(200):
            follower.poll(wait_s=1)
            if follower.ended:
                return

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(follow, follower) for follower in followers]
        start.wait()
        rig.drain()
        for one in done:
            one.result()
    for follower in followers:
        assert list(dict.fromkeys(follower.seen)) == logged(rig, two_stages)
    assert Follower(tasks, two_stages).poll() == logged(rig, two_stages)


def test_an_end_that_never_reached_redis_is_told_all_the_same(
    rig: Rig, tasks: Tasks, two_stages: UUID
) -> None:
    """When the worker died before it published, a follower still learns of the end, once."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    task_store.stop(rig.database, [two_stages], status="cancelled", errors=[None])  # and nobody tells Redis
    follower.poll()
    assert follower.ended
    assert follower.seen == logged(rig, two_stages)


def test_a_late_result_does_not_open_the_stream_again(
    rig: Rig, tasks: Tasks, redis_client: redis.Redis
) -> None:
    """An event after the end neither makes the task look open nor keeps its stream beyond ten minutes."""

    def cancel_meanwhile(job: StageJob) -> StageResult:
        rig.live.publish(task_store.stop(rig.database, [job.task_id], status="cancelled", errors=[None]))
        return StageResult(output={})

    rig.behaviours["a"] = cancel_meanwhile
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.drain()
    assert rig.events(task_id)[-1] == "stage.late:a"
    follower = Follower(tasks, task_id)
    assert len(follower.poll(wait_s=20)) == len(logged(rig, task_id))
    assert follower.ended
    assert follower.poll(wait_s=20) == []
    assert all(0 < redis_client.ttl(key) <= AFTER_END_S for key in live._keys(task_id))
    redis_client.flushdb()
    rebuilt = Follower(tasks, task_id)
    rebuilt.poll()
    assert rebuilt.ended


def test_streams_and_views_live_ten_minutes_after_the_end(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """While a task runs its keys live for a day, from its end on for 600 seconds."""
    tasks.get(two_stages)
    Follower(tasks, two_stages).poll()
    keys = live._keys(two_stages)
    rig.step()
    assert all(AFTER_END_S < redis_client.ttl(key) <= SILENT_S for key in keys)
    rig.drain()
    tasks.get(two_stages)
    assert all(0 < redis_client.ttl(key) <= AFTER_END_S == 600 for key in keys)


def test_a_view_is_read_once_until_an_event_outdates_it(
    rig: Rig, tasks: Tasks, two_stages: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live view answers without Postgres until the next event, and then tells the new state."""
    reads: list[UUID] = []
    real = task_store.task
    monkeypatch.setattr(
        task_store, "task", lambda database, task_id: (reads.append(task_id), real(database, task_id))[1]
    )
    first = tasks.get(two_stages)
    assert tasks.get(two_stages) == first
    assert len(reads) == 1
    rig.step()
    assert tasks.get(two_stages)["stages"][0]["status"] == "completed"
    assert len(reads) == 2


def test_a_view_read_before_an_event_is_not_kept_after_it(rig: Rig, two_stages: UUID) -> None:
    """A view read under one version is not kept when an event came between."""
    view, version = rig.live.view(two_stages)
    assert view is None
    rig.step()
    rig.live.keep_view(two_stages, dumps({"old": 1}), version, ended=False)
    view, version = rig.live.view(two_stages)
    assert view is None
    rig.live.keep_view(two_stages, dumps({"new": 1}), version, ended=False)
    assert rig.live.view(two_stages)[0] == {"new": 1}


def test_a_view_of_a_running_task_is_trusted_for_seconds_only(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """A view whose outdating was lost in a crash is wrong for five seconds at most; that of an ended task stays."""
    tasks.get(two_stages)
    key = live._keys(two_stages)[1]
    now = redis_client.time()[0]
    until = int(redis_client.hget(key, "body_until") or 0)
    assert now < until <= now + live.RUNNING_VIEW_S
    redis_client.hset(key, "body_until", now - 1)
    assert rig.live.view(two_stages)[0] is None
    rig.drain()
    tasks.get(two_stages)
    assert int(redis_client.hget(key, "body_until") or 0) > now + 500


def test_a_wait_ends_when_an_event_comes(
    rig: Rig, tasks: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """A long poll that waits is answered by the next event, long before its time is over."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(follower.poll, wait_s=25)
        wait_for_a_reader(redis_client)
        rig.step()
        assert waiting.result(20)
    assert set(follower.seen) <= set(logged(rig, two_stages))


@pytest.mark.parametrize("wait_s", [0.0001, 0.05])
def test_a_short_wait_is_short(tasks: Tasks, rig: Rig, two_stages: UUID, wait_s: float) -> None:
    """A wait of less than a millisecond is not one without end."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    assert follower.poll(wait_s=wait_s) == []


@pytest.mark.parametrize(
    "cursor", ["x", "!!!", "é", "YTo5OTk5OTk5OTk5OTk5OTk5OTk5OTktMA", "YToxLTI6Mw", "YTotMS0y"]
)
def test_what_is_not_a_cursor_is_refused(tasks: Tasks, two_stages: UUID, cursor: str) -> None:
    """An unknown cursor is refused naming `after`, whatever it holds."""
    with pytest.raises(InvalidInput) as caught:
        tasks.events(two_stages, after=cursor, wait_s=0)
    assert caught.value.faults[0].field == "after"


def test_an_unknown_task_is_not_found(tasks: Tasks) -> None:
    """A task that does not exist is told so on every way, and leaves nothing in Redis."""
    for ask in (
        lambda: tasks.get(uuid4()),
        lambda: tasks.events(uuid4(), after=None, wait_s=0),
        lambda: tasks.cancel(uuid4(), by="me", reason=None),
    ):
        with pytest.raises(NotFound):
            ask()


def test_an_outdated_view_is_read_anew_and_its_stream_goes_on(
    rig: Rig, tasks: Tasks, two_stages: UUID
) -> None:
    """What a worker that died may not have told of is read again; who follows goes on where it was."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    tasks.get(two_stages)
    task_store.stop(rig.database, [two_stages], status="cancelled", errors=[None])  # and nobody tells Redis
    rig.live.outdate([two_stages])
    assert tasks.get(two_stages)["status"] == "cancelled"
    follower.poll()
    assert follower.seen == logged(rig, two_stages)


def test_a_wait_that_wakes_in_a_stream_under_rebuild_misses_nothing(
    rig: Rig, redis_client: redis.Redis, two_stages: UUID
) -> None:
    """A follower that the end wakes, in a stream that another is just rebuilding, gets all that came before."""
    plain = LiveTasks(redis_client)

    class Patient:
        """Redis loses everything while the follower waits; another reader rebuilds the stream while the task ends."""

        def xread(self, streams: Any, block: int, count: int | None = None) -> Any:
            redis_client.flushdb()
            rig.step()  # nobody is watched now, so nobody is told
            plain.watch(two_stages)
            plain.begin_rebuild(two_stages)
            facts = log_store.facts(rig.database, two_stages)
            rig.drain()
            told = redis_client.xread(streams, count=count, block=block)
            plain.rebuild(two_stages, facts)
            return told

    patient: Any = Patient()
    follower = Follower(
        Tasks(database=rig.database, live=LiveTasks(redis_client, patient), plans=rig.engine._plans),
        two_stages,
    )
    follower.poll()
    follower.poll(wait_s=1)
    follower.poll()
    assert follower.ended
    assert set(follower.seen) == set(logged(rig, two_stages))


@pytest.fixture
def without_redis(rig: Rig) -> Tasks:
    dead = LiveTasks(connect(absent.redis_url()))
    return Tasks(database=rig.database, live=dead, plans=rig.engine._plans, pause=lambda _: rig.step())


def test_without_redis_the_api_still_answers(rig: Rig, without_redis: Tasks, two_stages: UUID) -> None:
    """Reading, following (also by waiting) and cancelling need Postgres only."""
    assert without_redis.get(two_stages)["status"] == "pending"
    follower = Follower(without_redis, two_stages)
    follower.poll()
    assert follower.seen == logged(rig, two_stages)
    follower.poll(wait_s=25)  # the pause between two looks lets the engine work
    assert set(follower.seen) == set(logged(rig, two_stages))
    rig.drain()
    follower.poll()
    assert follower.ended
    with pytest.raises(Conflict):
        without_redis.cancel(two_stages, by="me", reason=None)


def test_a_follower_survives_that_redis_goes_and_comes(
    rig: Rig, tasks: Tasks, without_redis: Tasks, two_stages: UUID
) -> None:
    """A cursor of one way is understood by the other: nothing is left out, what comes again has the same id."""
    follower = Follower(tasks, two_stages)
    follower.poll()
    for way in (without_redis, tasks, without_redis):
        rig.step()
        follower.tasks = way
        follower.poll()
    rig.drain()
    follower.poll()
    assert list(dict.fromkeys(follower.seen)) == logged(rig, two_stages)
    assert follower.ended


def test_cancel_is_told_with_who_and_why(rig: Rig, tasks: Tasks, two_stages: UUID) -> None:
    """Cancelling stops all open stages, is harmless to repeat, and keeps the first reason."""
    tasks.cancel(two_stages, by="ann", reason="not needed")
    again = tasks.cancel(two_stages, by="bob", reason="me too")
    assert again["status"] == "cancelled"
    assert again["error"] == {"code": "cancelled", "message": "not needed", "by": "ann"}
    assert rig.events(two_stages)[-3:] == ["stage.cancelled:a", "stage.cancelled:b", "task.cancelled"]
    rig.drain()
    assert rig.agent.jobs == []
