"""The Procrastinate application: one task for each stage, and the join and the results that it does not have."""

import os
from typing import Any

from procrastinate import App, PsycopgConnector  # type: ignore[import-not-found]
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool  # type: ignore[import-not-found,unused-ignore]

from bench.peers.protocol import Document, run_stage

DATABASE = os.environ["PEER_DATABASE_URL"]
CONCURRENCY = 4
TABLES = """
CREATE TABLE branches (task int PRIMARY KEY, outputs jsonb NOT NULL);
CREATE TABLE results (task int PRIMARY KEY, output jsonb NOT NULL);
"""
_MEET = """
INSERT INTO branches VALUES (%s, %s)
ON CONFLICT (task) DO UPDATE SET outputs = branches.outputs || EXCLUDED.outputs
RETURNING outputs
"""
_END = "WITH ended AS (INSERT INTO results VALUES (%(task)s, %(output)s)) SELECT pg_notify('ended', '')"


def _pool(**settings: Any) -> Any:
    """Return a pool that does not ask the server before every use whether the connection still lives."""
    return AsyncConnectionPool(**{**settings, "check": None})


app = App(
    connector=PsycopgConnector(
        conninfo=DATABASE, min_size=CONCURRENCY, max_size=CONCURRENCY, pool_factory=_pool
    )
)


async def _intent(given: Document) -> None:
    told = run_stage("intent", given)
    async with app.connector.pool.connection() as connection:
        await embedding.configure(connection=connection).defer_async(given=told)
        await websearch.configure(connection=connection).defer_async(given=told)


async def _embedding(given: Document) -> None:
    await _meet("embedding", run_stage("embedding", given))


async def _websearch(given: Document) -> None:
    await _meet("websearch", run_stage("websearch", given))


async def _executor(embedded: Document, found: Document) -> None:
    await moderator.defer_async(given=run_stage("executor", embedded, found))


async def _moderator(given: Document) -> None:
    await response.defer_async(given=run_stage("moderator", given))


async def _response(given: Document) -> None:
    output = run_stage("response", given)
    async with app.connector.pool.connection() as connection:
        await connection.execute(_END, {"task": output["task"], "output": Jsonb(output)})


async def _meet(stage: str, told: Document) -> None:
    """Keep a branch's output; in the same transaction, who comes second defers the executor."""
    async with app.connector.pool.connection() as connection:
        cursor = await connection.execute(_MEET, (told["task"], Jsonb({stage: told})))
        (there,) = await cursor.fetchone()
        if len(there) == 2:
            await executor.configure(connection=connection).defer_async(
                embedded=there["embedding"], found=there["websearch"]
            )


intent = app.task(_intent, name="intent")
embedding = app.task(_embedding, name="embedding")
websearch = app.task(_websearch, name="websearch")
executor = app.task(_executor, name="executor")
moderator = app.task(_moderator, name="moderator")
response = app.task(_response, name="response")
