"""Fan-outs, undoing, budgets and pauses when what steers them comes at the same moment, or its worker dies."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.db.connection import Database
from steersman.errors import AgentError
from steersman.tasks import attempt_store, family_store, pause_store, task_store, waiting_store
from steersman.tasks.attempt_store import Lease, Outcome
from steersman.tasks.engine import Engine
from steersman.tasks.live import LiveTasks
from steersman.tasks.log_store import Fact
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from steersman.tasks.steering import Steering
from steersman.tasks.sweep import sweep
from tests.fixtures.engine import LANES, Rig, costly, stage

EACH = {"items": "input.list", "concurrency": 2}


def refuse(_: StageJob) -> AgentError:
    error = AgentError("no")
    error.retryable = False
    return error


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the product may catch it."""


def steering(rig: Rig, database: Database | None = None) -> Steering:
    return Steering(
        database=database or rig.database,
        queues=rig.queues,
        live=rig.live,
        open_work=rig.open_work,
        lanes=LANES,
        warn=lambda text, _: rig.warnings.append(text),
    )


def children(rig: Rig, task_id: UUID) -> list[dict[str, Any]]:
    return family_store.page(rig.database, task_id, "each", status=None, after=-1, limit=100)


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """Give a session of somebody else."""
    opened = Database(database_url)
    yield opened
    opened.close()


def meet(rig: Rig, first: Callable[[], Any], second: Callable[[], Any], other: Database) -> None:
    """Do `first` and commit it only when `second`, in the session `other`, has ended or waits for it."""
    (pid,) = other.run("SELECT pg_backend_pid() AS pid")[0].values()
    statement = "SELECT cardinality(pg_blocking_pids(%(pid)s)) > 0 AS waits"
    with ThreadPoolExecutor(1) as pool:
        with rig.database.transaction():
            first()
            call = pool.submit(second)
            while not wait([call], 0.001).done:
                if rig.database.run(statement, {"pid": pid})[0]["waits"]:
                    break
        call.result(60)


def test_a_task_that_is_cancelled_while_it_fans_out_tells_each_start_once(rig: Rig) -> None:
    """A stage that waits for its items has started once, before and after it is cancelled."""
    (task_id,) = rig.submit(rig.publish([stage("each", for_each=EACH)]), input={"list": [1, 2, 3]})
    rig.step()
    assert rig.events(task_id).count("stage.started:each") == 1
    rig.cancel(task_id)
    assert rig.events(task_id).count("stage.started:each") == 1


def test_an_item_that_a_person_cancels_counts_as_failed(rig: Rig) -> None:
    """When an item is cancelled its fan-out does not wait for it any longer."""
    plan = rig.publish([stage("each", for_each={**EACH, "tolerate": 1})])
    (task_id,) = rig.submit(plan, input={"list": [1, 2, 3]})
    rig.step()
    tasks = Tasks(
        database=rig.database, live=rig.live, plans=Plans(rig.database), ended=rig.engine._families.ended
    )
    tasks.cancel(children(rig, task_id)[0]["id"], by="test", reason=None)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert rig.task(task_id)["output"]["failed"] == 1


def test_an_end_that_nobody_lived_to_tell_is_told_by_the_sweep(rig: Rig, redis_client: Any) -> None:
    """A fan-out goes on although whoever ended its last item died, and no message of that comes again."""
    (task_id,) = rig.submit(
        rig.publish([stage("each", for_each={**EACH, "tolerate": 1})]), input={"list": [1]}
    )
    rig.step()
    rig.cancel(children(rig, task_id)[0]["id"])
    rig.sqs.take_all()
    swept(rig, redis_client)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def swept(rig: Rig, redis_client: Any) -> None:
    sweep(
        database=rig.database,
        queues=rig.queues,
        live=rig.live,
        open_work=OpenWork(redis_client),
        plans=Plans(rig.database),
        lanes=LANES,
        warn=lambda text, _: rig.warnings.append(text),
        stranded_after_s=-1.0,
    )


def test_a_budget_that_is_raised_while_a_stage_begins_to_wait_for_it_lets_it_go_on(rig: Rig) -> None:
    """A stage that found the budget spent goes on when it was raised before the stage waited."""
    plan = rig.publish([stage("a"), stage("b", "a")])
    rig.behaviours["a"] = costly("0.5")
    (task_id,) = rig.submit(plan, constraints={"budget_usd": "0.1"})
    rig.step()
    wait_ = waiting_store.wait

    def raised_first(database: Database, waits: Any) -> Any:
        steering(rig).amend(task_id, {"budget_usd": "5"}, by="test")
        return wait_(database, waits)

    with patch.object(waiting_store, "wait", raised_first):
        rig.step()
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


SAGA = [
    stage("first", undo="no_first"),
    stage("left", "first", undo="no_left"),
    stage("right", "first"),
    stage("no_first"),
    stage("no_left"),
]


def test_what_completes_while_its_task_begins_to_be_undone_is_undone_too(rig: Rig, other: Database) -> None:
    """A stage whose result is being stored when another fails the task is undone like those before it."""
    plan = rig.publish(SAGA, output="right")
    (task_id,) = rig.submit(plan)
    rig.step()
    rig.behaviours["right"] = refuse
    lease = Lease(task_id, "left", 1, UUID(int=1))
    attempt_store.claim(rig.database, [lease], lease_s=60)
    rest = rig.sqs.take_all()
    decision = plan.completed("left", {})
    completes = [Outcome(task_id, "left", lease.lease_id, decision)]
    fails = rig.new_engine(other)
    meet(rig, lambda: attempt_store.complete(rig.database, completes), lambda: fails.run(rest), other)
    rig.drain()
    assert rig.statuses(task_id)["left"] == "completed"
    assert [job.stage for job in rig.agent.jobs][-2:] == ["no_left", "no_first"]
    assert rig.task(task_id)["status"] == "failed"


def test_a_task_is_undone_although_the_worker_that_was_to_begin_it_died(rig: Rig) -> None:
    """A stage that failed for good has its task undone, whatever dies after its failure was stored."""
    (task_id,) = rig.submit(rig.publish(SAGA, output="right"))
    rig.step()
    rig.behaviours["right"] = refuse
    messages = rig.sqs.take_all()
    with patch.object(Engine, "_undo", side_effect=Killed), pytest.raises(Killed):
        rig.engine.run(messages)
    rig.database.run("UPDATE task_stages SET lease_expires_at = now()")
    rig.engine.run(messages)
    rig.drain()
    assert rig.task(task_id)["status"] == "failed"
    assert rig.statuses(task_id)["no_first"] == "completed"


def test_items_of_a_task_that_failed_do_not_go_on_when_a_worker_died(rig: Rig) -> None:
    """When a task fails, the tasks that it started end with it, though the worker died right after."""
    plan = rig.publish(
        [stage("each", for_each=EACH), stage("first"), stage("beside", "first")], output="each"
    )
    rig.behaviours["beside"] = refuse
    (task_id,) = rig.submit(plan, input={"list": [1, 2, 3]})
    rig.step()
    messages = [message for message in rig.sqs.take_all() if "beside" in message.body]
    with patch.object(Engine, "_send", side_effect=Killed), pytest.raises(Killed):
        rig.engine.run(messages)
    assert rig.task(task_id)["status"] == "failed"
    assert {child["status"] for child in children(rig, task_id)} == {"cancelled"}


def test_a_task_that_is_undone_stops_the_tasks_that_it_started(rig: Rig) -> None:
    """When a task is undone, what its stages started is cancelled, and its worker goes on."""
    stages = [stage("first", undo="no_first"), stage("each", "first", for_each=EACH), stage("no_first")]
    plan = rig.publish([*stages, stage("beside", "first"), stage("late", "beside")], output="each")
    rig.behaviours["late"] = refuse
    (task_id,) = rig.submit(plan, input={"list": [1, 2, 3]})
    rig.step()
    rig.step()
    rig.engine.run([message for message in rig.sqs.take_all() if "late" in message.body])
    rig.drain()
    assert rig.task(task_id)["status"] == "failed"
    assert {child["status"] for child in children(rig, task_id)} == {"cancelled"}


def test_a_task_that_is_cancelled_while_it_fans_out_leaves_no_item_behind(rig: Rig, other: Database) -> None:
    """When a task is cancelled at the moment in which a stage starts items, these are cancelled too."""
    (task_id,) = rig.submit(rig.publish([stage("each", for_each=EACH)]), input={"list": [1, 2, 3]})

    def cancel() -> None:
        task_store.stop(other, [task_id], status="cancelled", errors=[None])

    meet(rig, rig.step, cancel, other)
    assert rig.task(task_id)["status"] == "cancelled"
    assert {child["status"] for child in children(rig, task_id)} == {"cancelled"}


def test_items_that_start_while_their_task_is_paused_are_paused_too(rig: Rig) -> None:
    """A stage that was at work when its task was paused may start items, but none of them begins."""
    (task_id,) = rig.submit(rig.publish([stage("each", for_each=EACH)]), input={"list": [1, 2, 3]})
    spread = family_store.spread

    def paused_first(*given: Any, **more: Any) -> Any:
        pause_store.pause(rig.database, task_id, by="test", reason=None)
        return spread(*given, **more)

    with patch.object(family_store, "spread", paused_first):
        rig.step()
    rig.drain()
    assert rig.agent.jobs == []
    steering(rig).resume_task(task_id, by="test")
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_what_is_held_is_told_to_nobody(rig: Rig) -> None:
    """A stage that is given back because its task is paused has not started for followers, however long others work."""
    held, runs = rig.submit(rig.publish([stage("a")]), count=2)
    pause_store.pause(rig.database, held, by="test", reason=None)
    told: list[Fact] = []
    told_first = threading.Event()

    def slow(_: StageJob) -> StageResult:
        told_first.wait(10)
        return StageResult({})

    rig.behaviours["a"] = slow

    def publish(_: LiveTasks, facts: Sequence[Fact]) -> None:
        told.extend(facts)
        told_first.set()

    with patch.object(LiveTasks, "publish", publish):
        rig.step()
    assert (told[0].task_id, told[0].event) == (runs, "stage.started")
    assert {fact.task_id for fact in told} == {runs}
    assert rig.events(held)[-1] == "task.paused"


def test_what_is_answered_while_its_task_is_noted_as_waiting_has_its_task_run(
    rig: Rig, other: Database
) -> None:
    """A task is running when its stage goes on, though a worker was just about to note that the task only waits."""
    ask = {"name": "ask", "kind": "approval", "approval": {"ask": "Well?"}}
    (task_id,) = rig.submit(rig.publish([ask, stage("beside"), stage("both", "ask", "beside")]))
    rig.drain()
    assert rig.task(task_id)["status"] == "awaiting"
    rig.database.run("UPDATE task_histories SET status = 'running' WHERE id = %(id)s", {"id": task_id})
    meet(
        rig,
        lambda: waiting_store.answer(rig.database, task_id, "ask", {"approved": True}, {}),
        lambda: waiting_store.settle(other, [task_id]),
        other,
    )
    assert (rig.statuses(task_id)["ask"], rig.task(task_id)["status"]) == ("ready", "running")
