"""Leases while agents are at work: granted, renewed, told of, and lost."""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.errors import Unavailable
from steersman.tasks import attempt_store, attempts, log_store, task_store
from steersman.tasks import engine as engine_module
from steersman.tasks.attempt_store import Lease
from steersman.tasks.engine import LEASE_S, PATIENCE_S, RENEW_S
from steersman.tasks.log_store import Fact
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from tests.fixtures.engine import Rig, stage

LIMIT_S = 60  # what a broken engine would keep a test waiting
LEFT = "SELECT extract(epoch FROM lease_expires_at - clock_timestamp())::float8 AS left_s FROM task_stages"
EXPIRE = "UPDATE task_stages SET lease_expires_at = now() - interval '1 s' WHERE status = 'running'"


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every agent counts as slow, and leases are renewed all the time."""
    monkeypatch.setattr(attempts, "QUICK_S", 0.0)
    monkeypatch.setattr(engine_module, "RENEW_S", 0.001)


def left_s(rig: Rig) -> list[float]:
    return [row["left_s"] for row in rig.database.run(LEFT)]


def until(moment: threading.Semaphore, times: int) -> Callable[[StageJob], StageResult]:
    """Return an agent that is at work until `moment` has come so many times."""

    def behave(job: StageJob) -> StageResult:
        for _ in range(times):
            assert moment.acquire(timeout=LIMIT_S), "nothing happened while the agent was at work"
        return StageResult(output={"stage": job.stage})

    return behave


def test_a_lease_is_granted_for_its_time(rig: Rig) -> None:
    """A claimed stage is its worker's for LEASE_S."""
    rig.behaviours["a"] = lambda job: StageResult(output={"left_s": left_s(rig)})
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.drain()
    assert rig.task(task_id)["output"] == {"left_s": [pytest.approx(LEASE_S, abs=5)]}


def test_a_lease_outlasts_what_it_must() -> None:
    """A lease that was renewed in time holds while one renewal fails, and while results wait for the database."""
    assert 2 * RENEW_S < LEASE_S
    assert RENEW_S + sum(PATIENCE_S) < LEASE_S


@pytest.mark.usefixtures("restless")
def test_leases_are_renewed_while_agents_are_at_work(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as an agent is at work, all leases of its batch are renewed to their full time, again and again."""
    renewed, real = threading.Semaphore(0), attempt_store.renew
    held, left = list[int](), list[float]()

    def renew(database: Any, leases: Sequence[Lease], *, lease_s: float) -> int:
        rig.database.run(EXPIRE)  # nearly too late
        held.append(real(database, leases, lease_s=lease_s))
        left.extend(left_s(rig))
        renewed.release()
        return held[-1]

    monkeypatch.setattr(attempt_store, "renew", renew)
    rig.behaviours["a"] = until(renewed, times=1)  # for each of three jobs
    rig.submit(rig.publish([stage("a")]), count=3)
    report = rig.engine.run(rig.sqs.take_all())
    assert report.counts == {"claimed": 3, "completed": 3}
    assert len(held) >= 3
    assert set(held) == {3}
    assert min(left) == pytest.approx(LEASE_S, abs=5)


@pytest.mark.usefixtures("restless")
def test_a_renewal_that_fails_is_a_warning(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """When leases cannot be renewed the agent works on, and its result counts as long as nobody took its place."""
    failed = threading.Semaphore(0)

    def renew(*_: Any, **__: Any) -> int:
        failed.release()
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(attempt_store, "renew", renew)
    rig.behaviours["a"] = until(failed, times=2)
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.step()
    assert rig.task(task_id)["output"] == {"stage": "a"}
    assert "leases were not renewed" in rig.warnings


def test_a_quick_agent_has_nothing_renewed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that answer at once cost no renewal."""
    monkeypatch.setattr(attempts, "QUICK_S", LIMIT_S)
    monkeypatch.setattr(attempt_store, "renew", lambda *_, **__: pytest.fail("a lease was renewed"))
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_lease_that_went_to_another_is_not_renewed(rig: Rig) -> None:
    """Who lost a lease cannot renew it, and does not prolong that of its successor; nor one of an ended stage."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    first, second = (Lease(task_id, "a", 1, UUID(int=number)) for number in (1, 2))
    assert attempt_store.claim(rig.database, [first], lease_s=600)
    rig.database.run(EXPIRE)
    assert attempt_store.claim(rig.database, [second], lease_s=60)
    assert attempt_store.renew(rig.database, [first], lease_s=600) == 0
    assert left_s(rig) == [pytest.approx(60, abs=30)]
    assert attempt_store.renew(rig.database, [second], lease_s=600) == 1
    task_store.stop(rig.database, [task_id], status="cancelled", errors=[None])
    assert attempt_store.renew(rig.database, [second], lease_s=600) == 0


@pytest.mark.usefixtures("restless")
def test_a_start_is_told_while_a_slow_agent_is_at_work_and_once_only(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followers learn that a stage has started before a slow agent is done, and not again with its result."""
    task_id = watched(rig)
    renewed, real, publish = threading.Semaphore(0), attempt_store.renew, rig.live.publish
    told, streamed = list[str](), list[str]()

    def note(facts: Sequence[Fact]) -> None:
        publish(facts)
        told.extend(fact.event for fact in facts)

    def renew(*given: Any, **more: Any) -> int:
        held = real(*given, **more)
        renewed.release()
        return held

    monkeypatch.setattr(rig.live, "publish", note)
    monkeypatch.setattr(attempt_store, "renew", renew)

    def slow(job: StageJob) -> StageResult:
        result = until(renewed, times=2)(job)  # renewals come after the start is told
        streamed.extend(types(rig, task_id))
        return result

    rig.behaviours["a"] = slow
    rig.step()
    before = ["task.submitted", "stage.ready", "stage.started"]
    assert streamed == before
    assert told == ["stage.started", "stage.completed", "task.completed"]
    assert types(rig, task_id) == [*before, "stage.completed", "task.completed"]


def test_a_quick_start_is_told_together_with_its_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an agent that answers at once, start and end are told in one round trip."""
    monkeypatch.setattr(attempts, "QUICK_S", LIMIT_S)
    task_id = watched(rig)
    publish, told = rig.live.publish, list[list[str]]()

    def note(facts: Sequence[Fact]) -> None:
        publish(facts)
        told.append([event.event for fact in facts for event in fact.each()])

    monkeypatch.setattr(rig.live, "publish", note)
    rig.step()
    assert told == [["stage.started", "stage.completed", "task.completed"]]
    assert len(types(rig, task_id)) == 5


def watched(rig: Rig) -> UUID:
    """Submit a task of one stage that somebody follows from the start."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    Tasks(database=rig.database, live=rig.live, plans=Plans(rig.database)).events(
        task_id, after=None, wait_s=0
    )
    return task_id


def types(rig: Rig, task_id: UUID) -> list[str]:
    """Return what a task's stream tells, without the wrapping of the events' types."""
    page = rig.live.read(task_id, None, wait_s=0)
    assert page is not None
    return [event["type"].removeprefix("steersman.").removesuffix(".v1") for event in page.events]


def test_a_late_result_is_logged_with_the_attempt_that_it_is_of(rig: Rig) -> None:
    """The log says of a late result which attempt gave it, though the stage is at a later one."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    messages = rig.sqs.take(10)

    def crash_then_finish(job: StageJob) -> StageResult:
        if job.attempt < 3:
            rig.database.run(EXPIRE)
            rig.new_engine().run(messages)
        return StageResult(output={"attempt": job.attempt})

    rig.behaviours["a"] = crash_then_finish
    rig.engine.run(messages)
    late = [fact.attempt for fact in log_store.facts(rig.database, task_id) if fact.event == "stage.late"]
    assert late == [2, 1]
    assert rig.task(task_id)["output"] == {"attempt": 3}
    assert rig.task(task_id)["stages"][0]["attempt"] == 3
