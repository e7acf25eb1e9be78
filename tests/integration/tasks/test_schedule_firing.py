"""Schedules whose time has come: one task for each time, whatever happens in between."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.cache.connection import connect
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.http.request import Request
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.projects.service import Projects
from steersman.tasks import schedule_firing, schedule_store, schedule_times
from steersman.tasks.flood import Flood
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.schedule_firing import DueSchedules
from steersman.tasks.schedule_views import ScheduleCreation
from steersman.tasks.schedules import Schedules
from steersman.tasks.submission import Submissions
from steersman.tasks.sweep import Swept, sweep
from tests.fixtures import absent
from tests.fixtures.engine import LANES, Rig, stage

ME = Request(requested_by="me", requested_through="api", correlation_id="c", route="/v1/schedules")


class Bench:
    """Schedules, the sweep and what they share, on a rig."""

    def __init__(self, rig: Rig, client: redis.Redis, database: Database | None = None) -> None:
        self.rig = rig
        self.database = database or rig.database
        self.open_work = OpenWork(client)
        self.submissions = Submissions(
            database=self.database,
            queues=rig.queues,
            plans=Plans(self.database),
            projects=Projects(self.database),
            open_work=self.open_work,
            flood=Flood(client, tasks=1_000_000),
            lanes=LANES,
            warn=self.warn,
        )
        self.schedules = Schedules(
            database=self.database,
            submissions=self.submissions,
            projects=Projects(self.database),
            open_work=self.open_work,
            warn=self.warn,
        )
        self.due = DueSchedules(database=self.database, submissions=self.submissions, warn=self.warn)

    def warn(self, text: str, fields: Any) -> None:
        self.rig.warnings.append(f"{text}: {fields}")

    def create(self, name: str = "mine", *, due_s: float | None = 1, **fields: Any) -> UUID:
        """Store a schedule of every hour whose time came `due_s` seconds ago (None: it has not come)."""
        body = {"name": name, "template": "sample", "input": {"x": 1}, "rate": "1 hour", **fields}
        made = self.schedules.create(ScheduleCreation.model_validate(body), ME)
        if due_s is not None:
            self.come(name, due_s)
        return UUID(made["id"])

    def come(self, name: str = "mine", due_s: float = 1) -> None:
        """Let the time of a schedule have come `due_s` seconds ago."""
        self.database.run(
            "UPDATE schedules SET next_at = clock_timestamp() - %(s)s * interval '1 s' WHERE name = %(name)s",
            {"s": due_s, "name": name},
        )

    def row(self, name: str = "mine") -> dict[str, Any]:
        return self.database.run("SELECT * FROM schedules WHERE name = %(name)s", {"name": name})[0]

    def tasks(self) -> list[dict[str, Any]]:
        return self.database.run("SELECT * FROM task_histories ORDER BY id")

    def sweep(self) -> Swept:
        return sweep(
            database=self.rig.database,
            queues=self.rig.queues,
            live=self.rig.live,
            open_work=self.open_work,
            plans=Plans(self.database),
            lanes=LANES,
            warn=self.warn,
            stranded_after_s=60.0,
            clockworks=lambda: (self.due,),
        )


@pytest.fixture
def bench(rig: Rig, redis_client: redis.Redis) -> Bench:
    rig.publish([stage("a")], input_schema={"required": ["x"]})
    return Bench(rig, redis_client)


@pytest.fixture
def second(rig: Rig, redis_client: redis.Redis, database_url: str, bench: Bench) -> Iterator[Bench]:
    """Another process beside `bench`."""
    database = Database(database_url)
    yield Bench(rig, redis_client, database)
    database.close()


def test_a_time_that_has_come_makes_a_task(bench: Bench) -> None:
    """The sweep makes the task, marked as a schedule's, sends it, and moves the schedule on by its rate."""
    schedule_id = bench.create(priority="high", labels={"a": "b"}, constraints={"deadline_s": 60})
    due = bench.row()["next_at"]
    assert bench.sweep() == Swept(asleep=False, fired=1)
    (task,) = bench.tasks()
    assert (task["requested_through"], task["requested_by"]) == ("schedule", "me")
    assert (task["priority"], task["labels"], task["input"]) == ("high", {"a": "b"}, {"x": 1})
    assert task["constraints"] == {"deadline_s": 60}
    assert task["correlation_id"].startswith(f"schedule:{schedule_id}:")
    row = bench.row()
    assert (row["last_at"], row["next_at"]) == (due, due + timedelta(hours=1))
    assert row["last_task_id"] == task["id"]
    bench.rig.drain()
    assert bench.rig.task(task["id"])["status"] == "completed"
    assert bench.sweep().fired == 0


def test_what_is_not_due_or_paused_makes_nothing(bench: Bench) -> None:
    """Before its time, and while it is paused, a schedule makes no task."""
    bench.create("later", due_s=None)
    bench.create("paused", paused=True)
    assert bench.sweep().fired == 0
    assert bench.tasks() == []


def test_the_newest_version_is_taken_unless_one_is_named(bench: Bench) -> None:
    """A schedule follows the newest version of its template at each time; a pinned one stays on its version."""
    bench.create("follows")
    bench.create("pinned", template_version=1)
    bench.rig.publish([stage("a"), stage("b", "a")])
    bench.sweep()
    assert sorted(task["template_version"] for task in bench.tasks()) == [1, 2]


def test_two_sweeps_at_once_make_one_task_for_each_time(bench: Bench, second: Bench) -> None:
    """However many sweeps meet, each due time has exactly one task, and each schedule moved on once."""
    names = [f"s{number}" for number in range(20)]
    for name in names:
        bench.create(name)
    due = {name: bench.row(name)["next_at"] for name in names}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one.due.fire(), (bench, second)))
    assert len(bench.tasks()) == len(names)
    assert {name: bench.row(name)["next_at"] for name in names} == {
        name: time + timedelta(hours=1) for name, time in due.items()
    }


def test_a_crash_before_the_schedule_moved_on_makes_no_second_task(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that dies between the task and the schedule's next time leaves one task, which the next one notes."""
    bench.create()
    with monkeypatch.context() as patched:
        patched.setattr(schedule_store, "move_on", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.sweep()
    (task,) = bench.tasks()
    assert bench.row()["last_task_id"] is None
    bench.sweep()
    assert [one["id"] for one in bench.tasks()] == [task["id"]] == [bench.row()["last_task_id"]]


def test_a_time_whose_task_a_dead_sweep_made_is_not_left_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that would leave a time out notes the task that one before it made of that time and died."""
    bench.create(catch_up="none", due_s=7300)
    with monkeypatch.context() as patched:
        patched.setattr(schedule_times, "LATE_S", 10_000.0)  # it came in time
        patched.setattr(schedule_store, "move_on", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.sweep()
    (task,) = bench.tasks()
    due_at = bench.row()["next_at"]
    bench.sweep()
    row = bench.row()
    assert (row["last_task_id"], row["last_at"], row["last_skip"]) == (task["id"], due_at, None)


def test_a_time_that_is_being_left_out_gets_no_task(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow sweep makes no task of a time that another has just left out."""
    bench.create(catch_up="none", due_s=7300)
    with monkeypatch.context() as patched:
        patched.setattr(schedule_store, "move_on", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.sweep()
    due_at = bench.row()["next_at"]
    monkeypatch.setattr(schedule_times, "LATE_S", 10_000.0)  # to the slow one it came in time
    monkeypatch.setattr(schedule_firing, "ROUNDS", 1)
    bench.sweep()
    assert bench.tasks() == []
    assert bench.row()["next_at"] == due_at + timedelta(hours=1)


def test_a_task_that_was_changed_after_a_crash_is_not_made_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the time's task was made before somebody changed the input, that one stands."""
    bench.create()
    with monkeypatch.context() as patched:
        patched.setattr(schedule_store, "move_on", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.sweep()
    bench.database.run("""UPDATE schedules SET input = '{"x": 2}'""")
    bench.sweep()
    assert [task["input"] for task in bench.tasks()] == [{"x": 1}]
    assert bench.row()["last_error"] is None
    bench.come()
    bench.sweep()
    assert [task["input"] for task in bench.tasks()] == [{"x": 1}, {"x": 2}]


def test_a_schedule_that_was_changed_meanwhile_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New times that somebody gives while the old one's task is made are not written over."""
    accept = bench.submissions.accept

    def change(*given: Any, **more: Any) -> Any:
        bench.database.run("UPDATE schedules SET expression = '1 day', next_at = '2100-01-01T00:00:00Z'")
        return accept(*given, **more)

    bench.create()
    monkeypatch.setattr(bench.submissions, "accept", change)
    bench.sweep()
    assert bench.row()["next_at"] == datetime(2100, 1, 1, tzinfo=UTC)


def test_what_is_wrong_is_noted_and_holds_up_nobody(bench: Bench) -> None:
    """A schedule whose input no longer fits says so by field and goes on to its next time; others make their tasks."""
    bench.create("wrong", due_s=20)
    bench.create("right", due_s=10)
    bench.rig.publish([stage("a")], input_schema={"required": ["y"]})
    bench.rig.publish([stage("a")], name="other")
    bench.database.run("UPDATE schedules SET template_name = 'other' WHERE name = 'right'")
    due = bench.row("wrong")["next_at"]
    assert bench.sweep().fired == 1
    row = bench.row("wrong")
    assert row["next_at"] == due + timedelta(hours=1)
    assert row["last_error"]["code"] == "invalid_input"
    assert [fault["field"] for fault in row["last_error"]["errors"]] == ["input"]
    assert (row["last_at"], row["paused"]) == (None, False)
    shown = bench.schedules.get(DEFAULT_PROJECT_ID, row["id"])
    assert shown["last_error"]["message"] == "the task cannot be accepted"
    assert any("a schedule made no task" in warning for warning in bench.rig.warnings)
    bench.rig.publish([stage("a")])
    bench.come("wrong")
    assert bench.sweep().fired == 1
    assert bench.row("wrong")["last_error"] is None


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE schedules SET priority = 'low', labels = '{\"a b\": \"c\"}'",
        "UPDATE schedules SET template_name = 'gone'",
        "UPDATE schedules SET template_version = 9",
    ],
)
def test_what_can_no_longer_be_a_task_is_an_error_of_its_schedule(bench: Bench, broken: str) -> None:
    """Whatever the task is refused for, the schedule notes it and goes on."""
    bench.create()
    bench.database.run(broken)
    assert bench.sweep().fired == 0
    assert bench.row()["last_error"]["errors"]
    assert bench.row()["next_at"] > datetime.now(UTC)


def test_a_schedule_without_times_is_paused(bench: Bench) -> None:
    """Where times can no longer be told (a zone was dropped) the schedule pauses and says why, once."""
    bench.create()
    bench.database.run("UPDATE schedules SET timezone = 'Europe/Atlantis'")
    assert [bench.sweep().fired for _ in range(2)] == [0, 0]
    row = bench.row()
    assert (row["paused"], row["last_error"]["errors"][0]["field"]) == (True, "timezone")
    assert bench.schedules.get(DEFAULT_PROJECT_ID, row["id"])["next_times"] == []


def test_an_open_task_is_waited_for_where_asked(bench: Bench) -> None:
    """With overlap `skip` no task is made while the last is open, and the schedule says so; with `allow` one is."""
    bench.create("skips", overlap="skip")
    bench.create("allows")
    bench.sweep()
    for name in ("skips", "allows"):
        bench.come(name)
    assert bench.sweep().fired == 1
    skip = bench.row("skips")["last_skip"]
    assert skip["reason"] == "the task of the time before was still open"
    assert bench.row("allows")["last_skip"] is None
    bench.rig.drain()
    bench.come("skips")
    assert bench.sweep().fired == 1
    assert bench.row("skips")["last_skip"] is None


def test_a_run_out_of_turn_that_comes_between_is_not_overlapped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that somebody has a schedule make while a sweep has the same schedule in hand is not overlapped by it."""
    schedule_id = bench.create(overlap="skip")
    due = schedule_store.due
    once = [lambda: bench.schedules.run(DEFAULT_PROJECT_ID, schedule_id, ME)]

    def due_while_somebody_runs_it(*args: Any, **more: Any) -> list[dict[str, Any]]:
        rows = due(*args, **more)
        for run in (once.pop() for _ in list(once)):
            run()
        return rows

    monkeypatch.setattr(schedule_store, "due", due_while_somebody_runs_it)
    assert bench.sweep().fired == 0
    assert len(bench.tasks()) == 1
    assert bench.row()["last_skip"]["reason"] == "the task of the time before was still open"


def test_an_outage_makes_one_task_or_none(bench: Bench) -> None:
    """Five missed hours are one task with catch_up `one`, none with `none`; both go on in their rhythm."""
    bench.create("one", due_s=5 * 3600 + 60)
    bench.create("none", due_s=5 * 3600 + 60, catch_up="none")
    due = {name: bench.row(name)["next_at"] for name in ("one", "none")}
    assert bench.sweep().fired == 1
    for name, time in due.items():
        assert bench.row(name)["next_at"] == time + timedelta(hours=6)
    assert bench.row("one")["last_at"] == due["one"]
    assert bench.row("none")["last_skip"]["reason"] == "several times had passed unseen"


def test_a_late_sweep_makes_the_tasks_of_two_minutes(bench: Bench) -> None:
    """A schedule of every minute has a task for each, though the sweep comes a little late."""
    bench.create(rate="1 minute", due_s=70)
    assert bench.sweep().fired == 2
    assert len(bench.tasks()) == 2


def test_a_sweep_takes_a_bounded_number(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due beyond the limit is done by the next sweep, the longest due first."""
    monkeypatch.setattr(schedule_firing, "LIMIT", 2)
    for number in range(3):
        bench.create(f"s{number}", due_s=30 - number)
    assert [bench.sweep().fired for _ in range(2)] == [2, 1]
    assert [bench.row(f"s{number}")["last_error"] for number in range(3)] == [None] * 3


def test_a_store_that_is_away_leaves_the_time_due(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a task could not be begun the sweep fails visibly, having swept the rest, and makes it up later."""

    def away(*_: Any, **__: Any) -> None:
        raise Unavailable("away")

    (stranded,) = bench.rig.submit(bench.rig.publish([stage("a")]))
    bench.rig.sqs.queues.clear()
    bench.rig.database.run("UPDATE task_stages SET ready_at = now() - interval '1 hour'")
    bench.create()
    with monkeypatch.context() as patched:
        patched.setattr(bench.submissions, "accept", away)
        with pytest.raises(Unavailable):
            bench.sweep()
    bench.rig.drain()
    assert bench.rig.task(stranded)["status"] == "completed"
    assert bench.sweep().fired == 1


def test_the_sweep_sleeps_until_a_schedule_is_due(bench: Bench, redis_client: redis.Redis) -> None:
    """Though schedules exist the database sleeps until the next time, and the sweep makes its task then."""
    bench.create(due_s=None)
    assert [bench.sweep().asleep for _ in range(3)] == [False, False, True]
    left_s = redis_client.pttl("steersman:open-work:asleep") / 1000
    assert 3500 < left_s <= 3600
    bench.come()
    assert bench.sweep().asleep, "it sleeps until the time that it knew of"
    redis_client.delete("steersman:open-work:asleep")
    assert bench.sweep().fired == 1
    bench.rig.drain()
    assert [bench.sweep().asleep for _ in range(3)] == [False, False, True]


def test_a_sleeping_sweep_asks_nobody_what_is_due(bench: Bench) -> None:
    """Asleep, the sweep makes no parts and no connection for schedules."""
    bench.create(due_s=None)
    assert [bench.sweep().asleep for _ in range(3)] == [False, False, True]
    bench.due = None  # type: ignore[assignment]
    assert bench.sweep().asleep


def test_without_redis_due_schedules_make_their_tasks(bench: Bench) -> None:
    """When Redis is away the sweep looks into Postgres, and what is due is done."""
    bench.create()
    bench.open_work = OpenWork(connect(absent.redis_url()))
    assert bench.sweep().fired == 1
