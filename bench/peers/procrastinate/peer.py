"""Procrastinate on PostgreSQL: each stage defers the next one; a join and a table of results of our own.

Settings, and why:
- PostgreSQL as it comes, fsync on. The next jobs are deferred in one transaction with what belongs to them (both
  branches; a branch's output and the executor), through the connection that `configure` takes for it. A job itself
  ends in another transaction: a worker that dies in between leaves a job that, once retried, defers the next again.
- All tasks are deferred by one `batch_defer`.
- Asynchronous tasks, two workers of four at once, a connection each; more did not go faster here.
- A pool that does not check every connection before its use (a statement less for each).
- Woken by LISTEN, its default, and so is the submitter; it logs warnings only; its jobs stay in the table, its default.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from bench.peers.procrastinate.tasks import CONCURRENCY, DATABASE, TABLES, app, intent
from bench.peers.protocol import LIMIT_S, WORKERS, Document, Peer, serve, worker_processes

_PROGRAM = (sys.executable, "-m", "procrastinate", "--app=bench.peers.procrastinate.tasks.app")
_WORK = ("worker", f"--concurrency={CONCURRENCY}")
_QUIET = {"PROCRASTINATE_LOG_LEVEL": "warning"}


class ProcrastinatePeer:
    """Tasks deferred in one batch; the results are read from their table when all have told that they ended."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def many(self, inputs: Sequence[Document]) -> list[Document]:
        intent.batch_defer(*({"given": given} for given in inputs))
        return self._results(inputs)

    def one(self, given: Document) -> Document:
        intent.defer(given=given)
        return self._results([given])[0]

    def _results(self, inputs: Sequence[Document]) -> list[Document]:
        ended = sum(1 for _ in self._connection.notifies(timeout=LIMIT_S, stop_after=len(inputs)))
        if ended != len(inputs):
            raise TimeoutError(f"{ended} of {len(inputs)} tasks ended")
        numbers = [given["task"] for given in inputs]
        rows = self._connection.execute(
            "SELECT output FROM results WHERE task = ANY(%s) ORDER BY task", (numbers,)
        )
        return [output for (output,) in rows]


@contextmanager
def procrastinate() -> Iterator[Peer]:
    """Make the tables and run the workers until the block is left."""
    with psycopg.connect(DATABASE, autocommit=True) as connection, app.open():
        app.schema_manager.apply_schema()
        connection.execute(TABLES)
        connection.execute("LISTEN ended")
        with worker_processes([(*_PROGRAM, *_WORK)] * WORKERS, env={**os.environ, **_QUIET}):
            yield ProcrastinatePeer(connection)


if __name__ == "__main__":
    serve(procrastinate())
