"""DBOS on PostgreSQL: the DAG as a workflow of six steps, on a queue that two processes work on.

Settings, and why:
- Durable as it is: the workflow's input, every step's output and the result are rows, PostgreSQL with fsync on.
- Synchronous steps; the second branch runs in a thread at a step id reserved for it. Asynchronous steps with
  asyncio.gather took a fifth more CPU, for each of them goes through a thread to the database anyway.
- The queue is polled every 20 ms (its default is a second, too long for work that takes none), ten workflows at once
  in each process, two connections for each.
- Tasks are enqueued by its client, a hundred in a transaction; results are waited for through their handles, polled
  every 50 ms under load and every 5 ms for a single task (again in place of a second).
- It logs warnings only.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy
from dbos import DBOS, DBOSClient  # type: ignore[import-not-found]

from bench.peers.dbos.workflows import NAME, QUEUE, VERSION, settings
from bench.peers.protocol import WORKERS, Document, Peer, serve, worker_processes

_COMMAND = (sys.executable, "-m", "bench.peers.dbos.worker")
_OPTIONS = {"queue_name": QUEUE, "workflow_name": "research", "app_version": VERSION}
_TOGETHER = 100


class DBOSPeer:
    """Tasks enqueued by the client; the results come through their handles."""

    def __init__(self, client: DBOSClient, engine: sqlalchemy.Engine) -> None:
        self._client = client
        self._engine = engine

    def many(self, inputs: Sequence[Document]) -> list[Document]:
        asked = []
        for start in range(0, len(inputs), _TOGETHER):
            with self._engine.begin() as connection:
                for given in inputs[start : start + _TOGETHER]:
                    asked.append(self._client.enqueue_in_transaction(connection, _OPTIONS, given))
        return [one.get_result(polling_interval_sec=0.05) for one in asked]

    def one(self, given: Document) -> Document:
        result: Document = self._client.enqueue(_OPTIONS, given).get_result(polling_interval_sec=0.005)
        return result


@contextmanager
def dbos() -> Iterator[Peer]:
    """Make the system tables and run the workers until the block is left."""
    DBOS(config=settings())
    DBOS.launch()
    DBOS.destroy()
    url = os.environ["PEER_DATABASE_URL"]
    engine = sqlalchemy.create_engine(sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"))
    with worker_processes([_COMMAND] * WORKERS):
        client = DBOSClient(system_database_url=url, application_name=NAME)
        try:
            yield DBOSPeer(client, engine)
        finally:
            client.destroy()
            engine.dispose()


if __name__ == "__main__":
    serve(dbos())
