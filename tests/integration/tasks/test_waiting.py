"""Waiting for a task's end in one call: whenever it comes, whoever tells of it, and if nobody does."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from steersman.bootstrap import LONG_POLL_S
from steersman.cache.connection import connect
from steersman.db.connection import Database
from steersman.errors import AgentRefused, NotFound, Unavailable
from steersman.tasks import live, log_store, service, task_store
from steersman.tasks.live import AFTER_END_S, LiveTasks
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from tests.fixtures import absent
from tests.fixtures.engine import Rig, stage
from tests.fixtures.waiting import wait_for_a_reader

WAIT_S = 25.0


class Watchman:
    """The client that waiters block on. Something may happen at the moment when one begins to wait."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.happens: Callable[[], Any] = lambda: None
        self.waits: list[tuple[int, bool]] = []  # for how many milliseconds, and whether an end was told

    def xread(self, streams: Any, count: int, block: int) -> Any:
        self.happens()
        told = self.client.xread(streams, count=count)  # what is not there now will not come
        self.waits.append((block, bool(told)))
        return told


@pytest.fixture
def watchman(redis_client: redis.Redis) -> Watchman:
    return Watchman(redis_client)


@pytest.fixture
def tasks(rig: Rig, redis_client: redis.Redis, watchman: Watchman) -> Tasks:
    patient: Any = watchman
    return Tasks(database=rig.database, live=LiveTasks(redis_client, patient), plans=Plans(rig.database))


@pytest.fixture
def only_told(
    rig: Rig, redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tasks]:
    """Tasks whose waiters really block, and learn of an end in no other way than by being told."""
    monkeypatch.setattr(service, "LOOK_S", WAIT_S)
    with connect(redis_url, answer_timeout_s=LONG_POLL_S) as patient:
        yield Tasks(database=rig.database, live=LiveTasks(redis_client, patient), plans=Plans(rig.database))


@pytest.fixture
def two_stages(rig: Rig) -> UUID:
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    return task_id


def cancel_untold(rig: Rig, task_id: UUID) -> None:
    """End a task as a worker does that dies between its commit and telling of it."""
    task_store.stop(rig.database, [task_id], status="cancelled", errors=[None])


def cancel(rig: Rig, task_id: UUID) -> None:
    Tasks(database=rig.database, live=rig.live, plans=Plans(rig.database)).cancel(
        task_id, by="ann", reason=None
    )


def fail(rig: Rig, task_id: UUID) -> None:
    rig.behaviours["b"] = lambda _: AgentRefused("it is broken")
    rig.drain()


@pytest.mark.parametrize(
    ("end", "status"),
    [(lambda rig, _: rig.drain(), "completed"), (fail, "failed"), (cancel, "cancelled")],
    ids=["completed", "failed", "cancelled"],
)
def test_a_wait_is_answered_by_the_end(
    rig: Rig,
    only_told: Tasks,
    two_stages: UUID,
    redis_client: redis.Redis,
    end: Callable[[Rig, UUID], None],
    status: str,
) -> None:
    """One call is answered by the task's end, however it ends, with the task as it is then."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(only_told.get, two_stages, wait_s=WAIT_S)
        wait_for_a_reader(redis_client)
        end(rig, two_stages)
        answer = waiting.result(20)
    assert answer["status"] == status
    assert answer == only_told.get(two_stages)


def test_every_waiter_is_woken(
    rig: Rig, only_told: Tasks, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """All who wait for the same task are answered by its end."""
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(only_told.get, two_stages, wait_s=WAIT_S) for _ in range(6)]
        wait_for_a_reader(redis_client, readers=6)
        rig.drain()
        assert [one.result(20)["status"] for one in waiting] == ["completed"] * 6


def test_only_the_end_wakes_a_waiter(rig: Rig, tasks: Tasks, watchman: Watchman, two_stages: UUID) -> None:
    """What happens on the way to the end leaves a waiter alone."""
    happened: Iterator[Callable[[], Any]] = iter([rig.step, lambda: None, rig.drain])
    watchman.happens = lambda: next(happened)()
    assert tasks.get(two_stages, wait_s=WAIT_S)["status"] == "completed"
    assert [told for _, told in watchman.waits] == [False, False, True]


@pytest.mark.parametrize("moment", ["before", "watched", "looked", "waiting"])
def test_no_end_falls_between_the_look_and_the_wait(
    rig: Rig,
    tasks: Tasks,
    watchman: Watchman,
    two_stages: UUID,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """Whenever the task ends while somebody begins to wait for it, the look sees it or the wait is told of it."""

    def ends(real: Callable[..., Any], at: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            result = real(*arguments, **more)
            if at == moment:
                rig.drain()
            return result

        return call

    if moment == "before":
        rig.drain()
    monkeypatch.setattr(tasks._live, "view", ends(tasks._live.view, "watched"))
    monkeypatch.setattr(task_store, "status", ends(task_store.status, "looked"))
    watchman.happens = ends(lambda: None, "waiting")
    assert tasks.get(two_stages, wait_s=WAIT_S)["status"] == "completed"
    assert [told for _, told in watchman.waits] == [True] * (moment in {"looked", "waiting"})


def test_an_end_that_nobody_told_is_found(
    rig: Rig, tasks: Tasks, watchman: Watchman, two_stages: UUID
) -> None:
    """When the worker died before it told of the end, the waiter sees it at its next look, within two seconds."""
    watchman.happens = lambda: cancel_untold(rig, two_stages)
    assert tasks.get(two_stages, wait_s=WAIT_S)["status"] == "cancelled"
    assert watchman.waits == [(service.LOOK_S * 1000, False)]


def test_a_waiter_survives_that_redis_is_emptied(
    rig: Rig, tasks: Tasks, watchman: Watchman, two_stages: UUID, redis_client: redis.Redis
) -> None:
    """After a loss of all that Redis held the task is watched again, and the end told."""
    happened: Iterator[Callable[[], Any]] = iter([lambda: redis_client.flushdb(), rig.drain])
    watchman.happens = lambda: next(happened)()
    assert tasks.get(two_stages, wait_s=WAIT_S)["status"] == "completed"
    assert [told for _, told in watchman.waits] == [False, True]


@pytest.mark.parametrize("away", ["all the time", "while we wait"])
def test_without_redis_the_wait_goes_on(
    rig: Rig, two_stages: UUID, watchman: Watchman, redis_client: redis.Redis, away: str
) -> None:
    """A Redis that is away, or goes, leaves the waiter looking at PostgreSQL every half second until the end."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        rig.step()

    def goes() -> None:
        raise redis.ConnectionError("gone")

    watchman.happens = goes
    patient: Any = watchman
    found = (
        LiveTasks(connect(absent.redis_url())) if away == "all the time" else LiveTasks(redis_client, patient)
    )
    tasks = Tasks(database=rig.database, live=found, plans=Plans(rig.database), pause=pause)
    assert tasks.get(two_stages, wait_s=WAIT_S)["status"] == "completed"
    assert pauses == [service.POLL_S] * 2


def test_without_the_database_a_waiter_is_told_so(rig: Rig, redis_client: redis.Redis) -> None:
    """A database that is away is not waited for."""
    gone = Database(absent.database_url())
    tasks = Tasks(database=gone, live=LiveTasks(redis_client), plans=Plans(gone))
    with pytest.raises(Unavailable):
        tasks.get(uuid4(), wait_s=WAIT_S)


@pytest.mark.parametrize("wait_s", [0.0001, 0.05])
def test_a_wait_that_is_over_shows_the_open_task(rig: Rig, two_stages: UUID, wait_s: float) -> None:
    """When the time is over the answer is the task as it is; the shortest wait is not one without end."""
    tasks = Tasks(database=rig.database, live=rig.live, plans=Plans(rig.database))
    began = monotonic()
    answer = tasks.get(two_stages, wait_s=wait_s)
    assert monotonic() - began >= wait_s
    assert answer["status"] == "pending"
    assert [one["status"] for one in answer["stages"]] == ["ready", "pending"]


def test_a_waiter_is_not_shown_an_old_view(rig: Rig, two_stages: UUID) -> None:
    """Though a view of the open task is kept, a waiter sees the task as it is."""
    tasks = Tasks(database=rig.database, live=rig.live, plans=Plans(rig.database))
    tasks.get(two_stages)
    cancel_untold(rig, two_stages)
    assert tasks.get(two_stages)["status"] == "pending"
    assert tasks.get(two_stages, wait_s=0.01)["status"] == "cancelled"


def test_a_task_that_has_ended_is_not_waited_for(
    rig: Rig, tasks: Tasks, watchman: Watchman, two_stages: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that ended long ago is answered at once, and from its live view where there is one."""
    rig.drain()
    answer = tasks.get(two_stages, wait_s=WAIT_S)
    assert answer["status"] == "completed"
    assert tasks.get(two_stages) == answer
    monkeypatch.setattr(task_store, "task", None)
    monkeypatch.setattr(task_store, "status", None)
    assert tasks.get(two_stages, wait_s=WAIT_S) == answer
    assert watchman.waits == []


def test_a_task_that_is_not_there_is_not_waited_for(tasks: Tasks, watchman: Watchman) -> None:
    """Waiting for the end of an unknown task says at once that there is none."""
    with pytest.raises(NotFound):
        tasks.get(uuid4(), wait_s=WAIT_S)
    assert watchman.waits == []


def test_an_end_is_kept_for_ten_minutes(rig: Rig, two_stages: UUID, redis_client: redis.Redis) -> None:
    """What tells waiters of a task's end is there from the end on, if somebody watches, and goes by itself."""
    rig.live.watch(two_stages)
    rig.step()
    key = live._ended_key(two_stages)
    assert not redis_client.exists(key)
    rig.drain()
    assert 0 < redis_client.ttl(key) <= AFTER_END_S
    rig.live.publish(log_store.facts(rig.database, two_stages))  # told twice
    assert redis_client.xlen(key) == 1


@pytest.fixture
def own_database(database_url: str) -> Iterator[Database]:
    """A connection that only the waiter uses."""
    own = Database(database_url)
    yield own
    own.close()


@pytest.fixture
def own_redis(redis_url: str, redis_client: redis.Redis) -> Iterator[redis.Redis]:
    """A client that only the waiter uses, of a Redis that knows its script."""
    with connect(redis_url) as own:
        LiveTasks(own).watch(uuid4())
        yield own


def test_a_wait_asks_little(
    rig: Rig,
    two_stages: UUID,
    own_redis: redis.Redis,
    own_database: Database,
    watchman: Watchman,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From request to answer a wait is two round trips to Redis and two statements, the first for the status only."""
    asked: list[str] = []

    def counted(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            asked.append(name)
            return real(*given, **more)

        return call

    patient: Any = watchman
    plans = Plans(own_database)
    plans.of([rig.task(two_stages)["template_id"]])
    tasks = Tasks(database=own_database, live=LiveTasks(own_redis, patient), plans=plans)
    watchman.happens = counted(rig.drain, "block")
    pool = own_redis.connection_pool
    monkeypatch.setattr(pool, "get_connection", counted(pool.get_connection, "redis"))
    monkeypatch.setattr(own_database, "tuples", counted(own_database.tuples, "status"))
    monkeypatch.setattr(own_database, "run", counted(own_database.run, "task"))
    assert tasks.get(two_stages, wait_s=WAIT_S)["status"] == "completed"
    assert asked == ["redis", "status", "block", "task"]
