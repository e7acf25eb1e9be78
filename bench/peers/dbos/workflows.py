"""The DBOS application: the DAG as a workflow whose stages are steps."""

import contextvars
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from dbos import DBOS  # type: ignore[import-not-found]

from bench.peers.protocol import Document, run_stage

QUEUE = "research"
NAME = "research"
VERSION = "1"
WORKFLOWS_AT_ONCE = 10


def settings() -> dict[str, Any]:
    """Return DBOS's configuration; each process is an executor of its own, as its documentation asks for."""
    return {
        "name": NAME,
        "system_database_url": os.environ["PEER_DATABASE_URL"],
        "application_version": VERSION,
        "executor_id": str(os.getpid()),
        "sys_db_pool_size": 2 * WORKFLOWS_AT_ONCE,
        "log_level": "WARNING",
    }


def _research(given: Document) -> Document:
    told = _step("intent", given)
    embedding, websearch = DBOS.reserve_step(), DBOS.reserve_step()
    context = contextvars.copy_context()
    found = _branches().submit(
        context.run, websearch.run, {"name": "websearch"}, run_stage, "websearch", told
    )
    embedded = embedding.run({"name": "embedding"}, run_stage, "embedding", told)
    done = _step("executor", embedded, found.result())
    return _step("response", _step("moderator", done))


def _step(name: str, *given: Document) -> Document:
    told: Document = DBOS.run_step({"name": name}, run_stage, name, *given)
    return told


@cache
def _branches() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKFLOWS_AT_ONCE)


research = DBOS.workflow(name="research")(_research)
