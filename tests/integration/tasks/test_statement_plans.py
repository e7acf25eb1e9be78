"""The statements of the hot path reach the history through indexes, however long it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from steersman.db.connection import Database
from steersman.http.request import KeptAnswer
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.projects import limits_store
from steersman.tasks import (
    attempt_store,
    letter_store,
    log_store,
    page_store,
    resumption_store,
    submission_store,
    sweep_store,
    task_store,
    unsent_store,
    waiting_store,
)
from steersman.tasks.attempt_store import Lease, Outcome
from steersman.tasks.planner import Decision, Plan
from steersman.tasks.resumption_store import Anew
from steersman.tasks.submission_store import NewTask
from steersman.tasks.words import StageStatus
from tests.fixtures.databases import TEMPLATE, Cluster
from tests.integration.tasks.history_rows import BATCH, Action, History
from tests.integration.tasks.statement_plans import explain, whole

PROJECT_INDEXES = (
    "task_histories_project_id",
    "task_histories_project_status",
    "task_histories_project_template",
)


@pytest.fixture(scope="module")
def history(cluster: Cluster) -> Iterator[History]:
    name = cluster.create(TEMPLATE)
    made = History(cluster.url_of(name))
    yield made
    made.database.close()
    cluster.drop(name)


def submit(database: Database, _: list[UUID], plan: Plan) -> None:
    now = datetime.now(UTC)
    tasks = [
        NewTask(
            id=new_id(),
            project_id=DEFAULT_PROJECT_ID,
            plan=plan,
            priority="medium",  # type: ignore[arg-type]
            input={},
            requirements=[],
            constraints={},
            labels={},
            business_value_usd=None,
            business_value_kind=None,
            requested_by="test",
            requested_through="api",
            correlation_id="test",
            deadline_at=now + timedelta(seconds=300),
        )
        for _ in range(BATCH)
    ]
    kept = KeptAnswer(
        project_id=DEFAULT_PROJECT_ID, route="/v1/tasks", key=str(now), request_hash="h", response={}
    )
    submission_store.submit(database, tasks, at=now, keep=kept)


def leases(tasks: list[UUID]) -> list[Lease]:
    return [Lease(task_id=task, stage="b", attempt=1, lease_id=new_id()) for task in tasks]


def claim(database: Database, tasks: list[UUID], _: Plan) -> object:
    return attempt_store.claim(database, leases(tasks), lease_s=60.0)


def judge(database: Database, tasks: list[UUID], _: Plan) -> object:
    return attempt_store.judge(database, leases(tasks))


def renew(database: Database, tasks: list[UUID], _: Plan) -> object:
    return attempt_store.renew(database, leases(tasks), lease_s=60.0)


def put_back(database: Database, tasks: list[UUID], _: Plan) -> object:
    return attempt_store.put_back(database, [(one, "project") for one in leases(tasks)], patience_s=60.0)


def complete(database: Database, tasks: list[UUID], _: Plan) -> object:
    """Complete, fail and retry, all too late: every statement has work."""
    decisions = (
        Decision(
            status=StageStatus.COMPLETED, output={}, releases=("d",), ends_sink=True, gives_task_output=True
        ),
        Decision(status=StageStatus.FAILED, error={"code": "test"}, fails_task=True),
        Decision(status=StageStatus.READY, error={"code": "test"}, retry_delay_s=1.0),
    )
    return attempt_store.complete(
        database,
        [
            Outcome(
                task_id=task, stage="c", lease_id=new_id(), decision=decisions[n % 3], cost_usd=Decimal(1)
            )
            for n, task in enumerate(tasks)
        ],
    )


def stop(database: Database, tasks: list[UUID], _: Plan) -> object:
    return task_store.stop(database, tasks[:10], status="cancelled", errors=[None] * 10)


def resume(database: Database, tasks: list[UUID], plan: Plan) -> object:
    stages = plan.reset(["b"], dict.fromkeys(plan.template.by_name, StageStatus.COMPLETED))
    anew = [
        Anew(
            task_id=task,
            ended_at=datetime.now(UTC),
            stages=stages,
            open_sinks=1,
            deadline_s=300.0,
            gives_output=True,
            detail={},
        )
        for task in tasks
    ]
    return resumption_store.resume(database, anew, by="ann")


def ended(database: Database, tasks: list[UUID], _: Plan) -> object:
    return resumption_store.ended(database, tasks)


def letter_context(database: Database, _: list[UUID], __: Plan) -> object:
    return letter_store.context(database, new_id())


def usual_cost(database: Database, tasks: list[UUID], _: Plan) -> object:
    return letter_store.usual_cost_usd(database, DEFAULT_PROJECT_ID, tasks)


def stranded(database: Database, _: list[UUID], __: Plan) -> object:
    return sweep_store.stranded(database, older_than_s=60.0, limit=1000)


def stranded_behind(database: Database, tasks: list[UUID], _: Plan) -> object:
    return sweep_store.stranded(database, older_than_s=60.0, limit=10, after=tasks[-1], window=50)


def any_open(database: Database, _: list[UUID], __: Plan) -> object:
    return sweep_store.any_open(database)


def ready_stages(database: Database, tasks: list[UUID], _: Plan) -> object:
    return unsent_store.ready_stages(database, tasks)


def resent(database: Database, tasks: list[UUID], _: Plan) -> None:
    sweep_store.resent(database, [{"task_id": task, "stage": "b"} for task in tasks])


def dead_stages(database: Database, tasks: list[UUID], _: Plan) -> object:
    return unsent_store.dead_stages(database, [(task, "c") for task in tasks])


def release_day(database: Database, _: list[UUID], __: Plan) -> object:
    return waiting_store.release_day(database, DEFAULT_PROJECT_ID)


def waiting_for_day(database: Database, _: list[UUID], __: Plan) -> object:
    return limits_store.waiting_stages(database, DEFAULT_PROJECT_ID)


def fact_count(database: Database, tasks: list[UUID], _: Plan) -> object:
    return log_store.fact_count(database, tasks[0])


def facts(database: Database, tasks: list[UUID], _: Plan) -> object:
    return log_store.facts(database, tasks[0], after=1)


def task(database: Database, tasks: list[UUID], _: Plan) -> object:
    return task_store.task(database, tasks[0])


def page(**asked: Any) -> Action:
    def read(database: Database, tasks: list[UUID], _: Plan) -> object:
        filters = {name: value for name, value in asked.items() if name not in {"deep", "outputs"}}
        return page_store.page(
            database,
            DEFAULT_PROJECT_ID,
            filters=filters,
            before=tasks[-1] if asked.get("deep") else None,
            limit=51,
            outputs=asked.get("outputs", False),
        )

    return read


WEEK_AGO = datetime.now(UTC) - timedelta(days=7)
ACTIONS: dict[str, Action] = {
    "submit": submit,
    "claim": claim,
    "judge": judge,
    "renew": renew,
    "put_back": put_back,
    "complete": complete,
    "stop": stop,
    "rerun": resume,
    "ended": ended,
    "letter context": letter_context,
    "usual cost": usual_cost,
    "stranded": stranded,
    "stranded behind a task": stranded_behind,
    "any_open": any_open,
    "ready_stages": ready_stages,
    "resent": resent,
    "dead_stages": dead_stages,
    "release_day": release_day,
    "waiting for the day's budget": waiting_for_day,
    "fact_count": fact_count,
    "facts": facts,
    "task": task,
    "page": page(),
    "page behind a cursor": page(deep=True),
    "page with outputs": page(outputs=True),
    "page with outputs behind a cursor": page(outputs=True, deep=True),
    "page with outputs by status behind a cursor": page(status="completed", outputs=True, deep=True),
    "page by status": page(status="failed"),
    "page by status behind a cursor": page(status="completed", deep=True),
    "page by template": page(template="sample3"),
    "page by priority": page(priority="critical"),
    "page by label": page(labels={"customer": 7}),
    "page by labels that nothing has": page(labels={"customer": "nobody"}),
    "page by time": page(created_after=WEEK_AGO - timedelta(days=7), created_before=WEEK_AGO),
    "page by everything": page(
        status="completed",
        template="sample1",
        priority="medium",
        labels={"customer": 1},
        created_after=WEEK_AGO,
    ),
}


@pytest.mark.parametrize("generic", [False, True], ids=["these values", "any values"])
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())
def test_every_access_to_the_history_is_by_an_index(history: History, action: Action, generic: bool) -> None:
    """No hot statement reads a whole partition that holds rows, planned for its values or for any."""
    seen = history.statements(action)
    assert seen
    filled, partial = history.filled(), history.partial_indexes()
    with psycopg.connect(history.url) as connection:
        for statement, parameters in seen:
            plan = explain(connection, statement, parameters, generic=generic)
            assert whole(plan, filled, partial) == []


@pytest.mark.parametrize(
    ("action", "change"),
    [
        (stranded, "DROP INDEX task_histories_open"),
        (stranded_behind, "DROP INDEX task_histories_open"),
        (
            page(),
            "DROP INDEX task_histories_project_id, task_histories_project_status, task_histories_project_template",
        ),
        (
            page(outputs=True),
            "DROP INDEX task_histories_project_id, task_histories_project_status, task_histories_project_template",
        ),
        (facts, "ALTER TABLE task_stage_logs DROP CONSTRAINT task_stage_logs_pkey"),
        (fact_count, "ALTER TABLE task_stage_logs DROP CONSTRAINT task_stage_logs_pkey"),
        (resent, "ALTER TABLE task_stages DROP CONSTRAINT task_stages_pkey"),
        (dead_stages, "ALTER TABLE task_stages DROP CONSTRAINT task_stages_pkey"),
        (ready_stages, "ALTER TABLE task_stages DROP CONSTRAINT task_stages_pkey"),
    ],
    ids=[
        "stranded",
        "stranded behind a task",
        "page",
        "page with outputs",
        "facts",
        "fact_count",
        "resent",
        "dead_stages",
        "ready_stages",
    ],
)
def test_a_missing_index_is_seen(history: History, action: Action, change: str) -> None:
    """A statement whose index is dropped reads a whole partition, and the check above sees it."""
    ((statement, parameters),) = history.statements(action)
    with psycopg.connect(history.url) as connection:
        connection.execute(change.encode())
        plan = explain(connection, statement, parameters, generic=True)
        connection.rollback()
    assert whole(plan, history.filled(), history.partial_indexes())
