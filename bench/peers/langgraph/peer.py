"""LangGraph with its PostgreSQL checkpointer: the DAG as a graph, one thread id for each task.

Settings, and why:
- durability="sync": every step's state is committed before the next step begins. PostgreSQL as it comes, fsync on.
- The library has no queue (its platform has): the submitter deals the tasks out to two worker processes by pipe. What
  has not begun is only in the pipe, so that this measures less than the others keep.
- Three threads in each worker, each with a checkpointer and a connection of its own: the checkpointer holds a lock
  around its connection or pool, so that threads that share one wait for each other (4 threads on a pool took a third
  more CPU for each task).
- autocommit, prepared statements, dict rows: what its documentation asks for of a connection.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from queue import SimpleQueue
from typing import IO

from langgraph.checkpoint.postgres import PostgresSaver  # type: ignore[import-not-found]

from bench.peers.protocol import LIMIT_S, WORKERS, Document, Peer, serve, worker_processes

_COMMAND = (sys.executable, "-m", "bench.peers.langgraph.worker")


class LangGraphPeer:
    """Tasks dealt out to the workers in turn; they tell what ended."""

    def __init__(self, workers: Sequence[subprocess.Popen[str]]) -> None:
        self._turn = cycle(_pipe(worker.stdin) for worker in workers)
        self._ended: SimpleQueue[Document] = SimpleQueue()
        for worker in workers:
            threading.Thread(target=self._listen, args=(_pipe(worker.stdout),), daemon=True).start()

    def many(self, inputs: Sequence[Document]) -> list[Document]:
        for given in inputs:
            pipe = next(self._turn)
            pipe.write(json.dumps(given) + "\n")
            pipe.flush()
        ended = [self._ended.get(timeout=LIMIT_S) for _ in inputs]
        return sorted(ended, key=lambda output: int(output["task"]))

    def one(self, given: Document) -> Document:
        return self.many([given])[0]

    def _listen(self, pipe: IO[str]) -> None:
        for line in pipe:
            self._ended.put(json.loads(line))


def _pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end


@contextmanager
def langgraph() -> Iterator[Peer]:
    """Make the checkpointer's tables and run the workers until the block is left."""
    with PostgresSaver.from_conn_string(os.environ["PEER_DATABASE_URL"]) as saver:
        saver.setup()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with worker_processes([_COMMAND] * WORKERS, **pipes) as workers:
        yield LangGraphPeer(workers)


if __name__ == "__main__":
    serve(langgraph())
