"""The statements of waiting, started and paused tasks reach the history through indexes too."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.tasks import family_store, pause_store, task_store, token_store, waiting_store
from steersman.tasks.planner import Plan
from steersman.tasks.token_store import Asked
from tests.fixtures.databases import TEMPLATE, Cluster
from tests.integration.tasks.history_rows import Action, History
from tests.integration.tasks.statement_plans import explain, whole


@pytest.fixture(scope="module")
def history(cluster: Cluster) -> Iterator[History]:
    name = cluster.create(TEMPLATE)
    made = History(cluster.url_of(name))
    yield made
    made.database.close()
    cluster.drop(name)


def untold(database: Database, _: list[UUID], __: Plan) -> object:
    return family_store.untold(database, older_than_s=60, limit=1000)


def wake(database: Database, tasks: list[UUID], _: Plan) -> object:
    return family_store.wake(database, tasks)


def open_children(database: Database, tasks: list[UUID], _: Plan) -> object:
    return family_store.open_children(database, [(task, None) for task in tasks])


def results(database: Database, tasks: list[UUID], _: Plan) -> object:
    return family_store.results(database, tasks[0], "a")


def started(database: Database, tasks: list[UUID], _: Plan) -> object:
    return family_store.page(database, tasks[0], "a", status="failed", after=10, limit=51)


def timers(database: Database, _: list[UUID], __: Plan) -> object:
    return waiting_store.due_timers(database, limit=10)


def approvals(database: Database, tasks: list[UUID], _: Plan) -> object:
    return waiting_store.approvals(database, DEFAULT_PROJECT_ID, after=(tasks[0], "a"), limit=51)


def answer(database: Database, tasks: list[UUID], _: Plan) -> object:
    return waiting_store.answer(database, tasks[0], "a", {"approved": True}, {})


def waiting(database: Database, tasks: list[UUID], _: Plan) -> object:
    return waiting_store.waiting(database, tasks[0], "a")


def amend(database: Database, tasks: list[UUID], _: Plan) -> object:
    return waiting_store.amend(database, tasks[0], {"budget_usd": "1"}, deadline_s=600)


def settle(database: Database, tasks: list[UUID], _: Plan) -> None:
    waiting_store.settle(database, tasks)


def pause(database: Database, tasks: list[UUID], _: Plan) -> object:
    return pause_store.pause(database, tasks[0], by="test", reason=None)


def release(database: Database, _: list[UUID], __: Plan) -> object:
    return pause_store.release(database, DEFAULT_PROJECT_ID, "queue", "executor")


def templates(database: Database, tasks: list[UUID], _: Plan) -> object:
    return task_store.templates(database, tasks)


def take_tokens(database: Database, tasks: list[UUID], _: Plan) -> object:
    asked = [Asked(task, "a", "run", f"t{task}") for task in tasks]
    return token_store.take(database, [*asked, Asked(tasks[0], "a", "item", "i", item=3)])


def unanswered(database: Database, tasks: list[UUID], _: Plan) -> object:
    return token_store.unanswered(database, [(task, "a") for task in tasks], tasks)


def forget_tokens(database: Database, tasks: list[UUID], _: Plan) -> None:
    token_store.forget(database, [(task, "a", f"t{task}") for task in tasks])


def told_statuses(database: Database, tasks: list[UUID], _: Plan) -> object:
    return token_store.statuses(database, tasks)


def orchestrated(database: Database, tasks: list[UUID], _: Plan) -> object:
    return token_store.orchestrated(database, tasks)


ACTIONS: tuple[Action, ...] = (
    take_tokens, unanswered, forget_tokens, told_statuses, orchestrated,
    untold, wake, open_children, results, started, timers, approvals, answer, waiting, amend, settle, pause, release,
    templates,
)  # fmt: skip


@pytest.mark.parametrize("generic", [False, True], ids=["these values", "any values"])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_every_access_of_these_is_by_an_index_too(history: History, action: Action, generic: bool) -> None:
    """No statement of tasks that wait, start others or are paused reads a whole partition that holds rows."""
    seen = history.statements(action)
    assert seen
    filled, partial = history.filled(), history.partial_indexes()
    with psycopg.connect(history.url) as connection:
        for statement, parameters in seen:
            plan = explain(connection, statement, parameters, generic=generic)
            assert whole(plan, filled, partial) == []
