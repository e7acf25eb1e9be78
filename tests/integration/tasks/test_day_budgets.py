"""Budgets of a project's day: what they stop, until when, and what has it go on sooner."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.agents.job import StageJob
from steersman.db.connection import Database
from steersman.errors import AgentError
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.projects import limits_store
from steersman.projects.limits import KnownLimits, ProjectLimits
from steersman.tasks import day_budgets, family_store, waiting_store
from steersman.tasks.day_budgets import DayBudgets
from steersman.tasks.day_releases import DayReleases
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.resending import resend
from steersman.tasks.sweep import Swept, sweep
from tests.fixtures import absent
from tests.fixtures.engine import LANES, Rig, costly, stage

DAY_S = 86_400
WAIT = {"name": "pause", "kind": "wait", "wait": {"for_s": 3600}}
ASK = {"name": "ask", "kind": "approval", "approval": {"ask": "May it go on?", "timeout_s": 7200}}


class Day:
    """A project's budgets as the API sets them and workers read them."""

    def __init__(self, rig: Rig, client: redis.Redis) -> None:
        self.rig = rig
        self.open_work = OpenWork(client)
        self.releases = DayReleases(
            database=rig.database,
            queues=rig.queues,
            live=rig.live,
            open_work=self.open_work,
            lanes=LANES,
            warn=lambda text, _: rig.warnings.append(text),
        )
        self.limits = ProjectLimits(database=rig.database, goes_on=self.releases)

    def set(self, **limits: Any) -> dict[str, Any]:
        """Set the default project's budgets, which workers that start now know."""
        whole = {**dict.fromkeys(limits_store.NAMES), **limits}
        answer = self.limits.put("default", DEFAULT_PROJECT_ID, whole, by="ann")
        self.rig.engine = self.rig.new_engine()
        return answer

    def spend(self, usd: str = "5", tokens: int = 500, *, days_ago: int = 0) -> None:
        """Have an agent cost something for the default project."""
        self.rig.database.run(
            """INSERT INTO agent_performance (agent_id, project_id, capability, bucket_start, cost_usd, tokens, slot)
            SELECT id, %(project_id)s, 'x', date_trunc('day', now(), 'UTC') - make_interval(days => %(days_ago)s),
                   %(usd)s, %(tokens)s, 99 FROM agents LIMIT 1""",
            {"project_id": DEFAULT_PROJECT_ID, "days_ago": days_ago, "usd": Decimal(usd), "tokens": tokens},
        )

    def end(self) -> None:
        """Have midnight come: what was spent was spent yesterday, and what waits until midnight has waited."""
        for statement in (
            "UPDATE agent_performance SET bucket_start = bucket_start - interval '1 day'",
            "UPDATE task_stages SET ready_at = now() WHERE status = 'awaiting' AND error IS NOT NULL",
            "UPDATE task_timers SET due_at = now() WHERE day_budget",
        ):
            self.rig.database.run(statement)

    def sweep(self, *, releases: bool = True) -> Swept:
        return sweep(
            database=self.rig.database,
            queues=self.rig.queues,
            live=self.rig.live,
            open_work=self.open_work,
            plans=Plans(self.rig.database),
            lanes=LANES,
            warn=lambda text, _: self.rig.warnings.append(text),
            stranded_after_s=60.0,
            clockworks=lambda: (self.releases,) if releases else (),
        )


@pytest.fixture
def day(rig: Rig, redis_client: redis.Redis) -> Day:
    return Day(rig, redis_client)


def stopped(day: Day, *stages: dict[str, Any], **more: Any) -> UUID:
    """Return a task whose first stages wait because the project's day is spent."""
    day.spend()
    day.set(usd_per_day=Decimal(5))
    plan = day.rig.publish(list(stages) or [stage("a"), stage("b", "a")], deadline_s=DAY_S)
    (task_id,) = day.rig.submit(plan, **more)
    day.rig.drain()
    return task_id


@pytest.mark.parametrize("budget", [{"usd_per_day": Decimal("0.50")}, {"tokens_per_day": 70}])
def test_a_spent_day_stops_further_stages(rig: Rig, day: Day, budget: dict[str, Any]) -> None:
    """What agents cost today counts, from any task; when it reaches the budget, stages wait and say until when."""
    day.set(**budget)
    rig.behaviours["a"] = costly("0.50", tokens=70)
    plan = rig.publish([stage("a"), stage("b", "a")])
    (task_id,) = rig.submit(plan)
    rig.step()
    rig.engine = rig.new_engine()  # as every worker does within seconds: reads what is spent
    (other,) = rig.submit(plan)
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "awaiting"}
    assert rig.statuses(other) == {"a": "awaiting", "b": "pending"}
    task = rig.task(task_id)
    assert (task["status"], task["stages"][1]["error"]["code"]) == ("awaiting", "budget_spent")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert datetime.fromisoformat(task["stages"][1]["awaits_until"]) == midnight
    assert rig.events(other)[-1] == "stage.awaiting:a"


def test_what_was_spent_yesterday_does_not_count(rig: Rig, day: Day) -> None:
    """A budget begins anew at midnight (UTC)."""
    day.spend(days_ago=1)
    day.set(usd_per_day=Decimal(5))
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_other_projects_go_on(rig: Rig, day: Day) -> None:
    """A project's budget stops nothing of another."""
    statement = "INSERT INTO projects (id, slug, name) VALUES (%(id)s, 'other', 'other')"
    other = new_id()
    rig.database.run(statement, {"id": other})
    task_id = stopped(day)
    (free,) = rig.submit(rig.publish([stage("a")]), project_id=other)
    rig.drain()
    assert (rig.task(task_id)["status"], rig.task(free)["status"]) == ("awaiting", "completed")


@pytest.mark.parametrize("releases", [True, False])
def test_at_midnight_it_goes_on_by_itself(rig: Rig, day: Day, releases: bool) -> None:
    """When the day is over the timers of what waits have it go on, and the sweep releases whatever still waits."""
    task_id = stopped(day)
    day.sweep(releases=releases)
    assert rig.step() is None
    day.end()
    day.sweep(releases=releases)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


@pytest.mark.parametrize("budget", [{}, {"usd_per_day": Decimal("5.01")}, {"tokens_per_day": 501}])
def test_a_raised_budget_has_it_go_on_at_once(rig: Rig, day: Day, budget: dict[str, Any]) -> None:
    """Setting a budget that is not spent, or none, sends what waited, without a sweep, also to workers that knew the
    old one."""
    task_id = stopped(day)
    knowing = rig.engine
    day.set(**budget)
    while rig.step(engine=knowing):
        pass
    assert rig.task(task_id)["status"] == "completed"
    assert rig.database.run("SELECT FROM task_timers WHERE day_budget") == []


def test_a_budget_that_is_still_spent_sends_nothing(rig: Rig, day: Day) -> None:
    """Another budget that is spent too leaves what waits where it is."""
    task_id = stopped(day)
    answer = day.set(usd_per_day=Decimal("4.99"))
    assert rig.step() is None
    assert (rig.task(task_id)["status"], answer["waiting_stages"]) == ("awaiting", 1)


def test_a_raise_has_items_and_branches_go_on(rig: Rig, day: Day) -> None:
    """Items of a fan-out, and a branch that waits beside one that runs, are released like any other stage."""
    rig.behaviours["each"] = costly("0.01")
    each = stage("each", for_each={"items": "input.list", "concurrency": 5})
    (task_id,) = rig.submit(rig.publish([each, stage("after", "each")]), input={"list": [1, 2, 3]})
    rig.step()
    day.spend()
    day.set(usd_per_day=Decimal(5))
    rig.drain()
    items = family_store.page(rig.database, task_id, "each", status=None, after=-1, limit=10)
    assert {one["status"] for one in items} == {"awaiting"}
    assert rig.task(task_id)["status"] == "running"
    day.set()
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_one_call_sends_a_bounded_number_and_the_sweep_the_rest(
    rig: Rig, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is more than one call sends is found by the sweep, batch by batch, until nothing waits."""
    monkeypatch.setattr(waiting_store, "RELEASE_BATCH", 2)
    monkeypatch.setattr("steersman.tasks.day_releases.BATCHES", 2)
    day.spend()
    day.set(usd_per_day=Decimal(5))
    task_ids = rig.submit(rig.publish([stage("a")]), count=9)
    rig.drain()
    assert day.set()["waiting_stages"] == 5
    assert [day.sweep().fired for _ in range(3)] == [4, 1, 0]
    rig.drain()
    assert {rig.task(task_id)["status"] for task_id in task_ids} == {"completed"}


def test_what_was_stopped_by_the_old_budget_is_found_by_the_sweep(rig: Rig, day: Day) -> None:
    """A stage that a worker put to wait just as the budget was raised goes on by the next sweep, not at midnight."""
    task_id = stopped(day)
    rig.database.run("UPDATE project_limits SET usd_per_day = 100")
    assert day.sweep().fired == 1
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_setting_a_budget_wakes_the_sweep(rig: Rig, day: Day) -> None:
    """A sweep that sleeps while all tasks wait looks again once limits were set."""
    stopped(day)
    for _ in range(4):
        day.sweep()
    assert day.sweep().asleep
    day.set(usd_per_day=Decimal(1))
    assert not day.sweep().asleep


def test_what_went_on_otherwise_is_not_sent(rig: Rig, day: Day) -> None:
    """A task that was cancelled while it waited for its project's budget stays cancelled when that is raised."""
    task_id = stopped(day)
    rig.cancel(task_id)
    assert day.set()["waiting_stages"] == 0
    assert rig.step() is None
    assert rig.task(task_id)["status"] == "cancelled"


def raised_task_budget(rig: Rig, day: Day, task_id: UUID) -> None:
    waiting_store.amend(rig.database, task_id, {"budget_usd": "100"}, deadline_s=None)


def next_day(rig: Rig, day: Day, task_id: UUID) -> None:
    day.end()


def raised_day(rig: Rig, day: Day, task_id: UUID) -> None:
    day.set()


def next_day_after_a_lost_worker(rig: Rig, day: Day, task_id: UUID) -> None:
    """A worker takes the stage up at midnight and dies before it did anything."""
    day.end()
    rig.database.run(
        """UPDATE task_stages SET status = 'running', lease_id = task_id, lease_expires_at = now(),
           started_at = now(), started_id = nextval('task_stage_logs_id') WHERE status = 'awaiting'"""
    )


WAYS = [raised_task_budget, raised_day, next_day, next_day_after_a_lost_worker]


@pytest.mark.parametrize("go_on", WAYS)
@pytest.mark.parametrize("kind", [WAIT, ASK], ids=["wait", "approval"])
def test_a_wait_for_a_budget_is_not_the_wait_of_the_stage(
    rig: Rig, day: Day, go_on: Any, kind: dict[str, Any]
) -> None:
    """A timer or an approval that waited for a budget begins its own wait then, with all of its time."""
    own: dict[str, Any] = {"constraints": {"budget_usd": "0.50"}} if go_on is raised_task_budget else {}
    rig.behaviours["a"] = costly("0.50")
    name = kind["name"]
    if own:
        (task_id,) = rig.submit(rig.publish([stage("a"), {**kind, "needs": ["a"]}], deadline_s=DAY_S), **own)
        rig.drain()
    else:
        task_id = stopped(day, kind)
    waiting = next(one for one in rig.task(task_id)["stages"] if one["name"] == name)
    assert (waiting["status"], waiting["error"]["code"], waiting["awaited_at"]) == (
        "awaiting",
        "budget_spent",
        None,
    )
    rig.database.run(
        "UPDATE task_stages SET awaited_at = awaited_at - interval '3 h' WHERE status = 'awaiting'"
    )
    go_on(rig, day, task_id)
    rig.sqs.queues.clear()
    send(rig, task_id, name)
    rig.drain()
    begun = next(one for one in rig.task(task_id)["stages"] if one["name"] == name)
    assert (begun["status"], begun["error"]) == ("awaiting", None)
    left = datetime.fromisoformat(begun["awaits_until"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=2)
    assert rig.task(task_id)["output"] is None


def send(rig: Rig, task_id: UUID, name: str) -> None:
    """Send a stage, as the sweep does when its time has come."""
    (row,) = rig.database.run(
        """SELECT task_id, project_id, name AS stage, queue, attempt, 'medium' AS priority FROM task_stages
           WHERE task_id = %(id)s AND name = %(name)s""",
        {"id": task_id, "name": name},
    )
    resend(rig.queues, [row], LANES)


@pytest.mark.parametrize("kind", [WAIT, ASK], ids=["wait", "approval"])
def test_a_wait_that_has_begun_ends_though_the_day_is_spent(rig: Rig, day: Day, kind: dict[str, Any]) -> None:
    """A timer that comes and an answer that is given are taken at once; what comes after them waits for the budget."""
    name = kind["name"]
    (task_id,) = rig.submit(rig.publish([kind, stage("b", name)], deadline_s=DAY_S))
    rig.drain()
    day.spend()
    day.set(usd_per_day=Decimal(5))
    if kind is WAIT:
        rig.pass_time(task_id, name)
    else:
        given = {"approved": True, "answer": {}, "comment": None, "by": "ann"}
        waiting_store.answer(rig.database, task_id, name, given, {})
    send(rig, task_id, name)
    rig.drain()
    assert rig.statuses(task_id) == {name: "completed", "b": "awaiting"}


def test_what_is_undone_is_undone_though_the_day_is_spent(rig: Rig, day: Day) -> None:
    """A task that fails undoes what it did, whatever was spent."""

    def refuse(_: StageJob) -> AgentError:
        error = AgentError("no")
        error.retryable = False
        return error

    rig.behaviours["b"] = refuse
    stages = [stage("a", undo="back"), stage("b", "a"), stage("back")]
    (task_id,) = rig.submit(rig.publish(stages, output="b"))
    rig.step()
    rig.step()
    assert rig.statuses(task_id) == {"a": "completed", "b": "failed", "back": "ready"}
    day.spend()
    day.set(usd_per_day=Decimal(5))
    rig.drain()
    assert rig.statuses(task_id)["back"] == "completed"
    assert rig.task(task_id)["status"] == "failed"


class Reads:
    """A worker's knowledge of budgets on a clock of the test's own, counting what it reads of days."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.days = 0.0, 0
        real = limits_store.days
        self.budgets = DayBudgets(
            rig.database, KnownLimits(rig.database, clock=lambda: self.now), clock=lambda: self.now
        )

        def counted(database: Database, project_ids: Any) -> Any:
            self.days += 1
            return real(database, project_ids)

        monkeypatch.setattr(limits_store, "days", counted)


def attempts(count: int = 3) -> list[Any]:
    return [SimpleNamespace(row={"project_id": str(DEFAULT_PROJECT_ID)}) for _ in range(count)]


def test_who_has_no_budget_pays_nothing(rig: Rig, day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read of what projects spend that have no budget of the day, whatever others have."""
    other = new_id()
    rig.database.run("INSERT INTO projects (id, slug, name) VALUES (%(id)s, 'other', 'other')", {"id": other})
    limits_store.put(rig.database, other, {"usd_per_day": 1}, by="ann")
    limits_store.put(rig.database, DEFAULT_PROJECT_ID, {"max_running_stages": 9}, by="ann")
    reads = Reads(rig, monkeypatch)
    assert reads.budgets.spent(attempts()) == {}
    assert reads.days == 0


def test_what_is_spent_is_read_again_after_seconds(
    rig: Rig, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker reads once for a batch, believes for 5 s that a budget is not spent, and never that one still is."""
    day.set(usd_per_day=Decimal(5))
    reads = Reads(rig, monkeypatch)
    assert (reads.budgets.spent(attempts()), reads.days) == ({}, 1)
    day.spend()
    reads.now = day_budgets.FRESH_S - 0.1
    assert (reads.budgets.spent(attempts()), reads.days) == ({}, 1)
    reads.now = day_budgets.FRESH_S
    assert list(reads.budgets.spent(attempts())) == [str(DEFAULT_PROJECT_ID)]
    rig.database.run("UPDATE project_limits SET usd_per_day = 6")
    assert reads.budgets.spent(attempts()) == {}


def test_without_the_database_no_budget_stops_anything(
    rig: Rig, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When what is spent cannot be read, stages go on."""
    day.spend()
    day.set(usd_per_day=Decimal(5))
    reads = Reads(rig, monkeypatch)
    assert reads.budgets.spent(attempts())
    lost = Database(absent.database_url())
    monkeypatch.setattr(reads.budgets, "_database", lost)
    assert reads.budgets.spent(attempts()) == {}
