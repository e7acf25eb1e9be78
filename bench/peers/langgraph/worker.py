"""A worker: runs the graph for every input that comes on stdin, one JSON object a line, and prints what it gave."""

import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypedDict

from langgraph.checkpoint.postgres import PostgresSaver  # type: ignore[import-not-found]
from langgraph.graph import END, START, StateGraph  # type: ignore[import-not-found]
from psycopg import Connection
from psycopg.rows import dict_row

from bench.peers.protocol import DAG, Document, run_stage

_THREADS = 3


class Outputs(TypedDict, total=False):
    """The graph's state: the input, and what each stage gave."""

    given: Document
    intent: Document
    embedding: Document
    websearch: Document
    executor: Document
    moderator: Document
    response: Document


class Worker:
    """A graph and a database connection for each thread."""

    def __init__(self) -> None:
        self._mine = threading.local()
        self._telling = threading.Lock()

    def open(self) -> None:
        """Make this thread's graph."""
        connection = Connection.connect(
            os.environ["PEER_DATABASE_URL"], autocommit=True, prepare_threshold=0, row_factory=dict_row
        )
        self._mine.graph = _graph(PostgresSaver(connection))

    def run(self, line: str) -> None:
        """Run one task and print its last output."""
        given = json.loads(line)
        thread = {"configurable": {"thread_id": str(given["task"])}}
        ended = self._mine.graph.invoke({"given": given}, thread, durability="sync")
        with self._telling:
            print(json.dumps(ended["response"]), flush=True)


def _graph(saver: Any) -> Any:
    graph = StateGraph(Outputs)
    for name, needs in DAG.items():
        # A node may not be called like a part of the state.
        graph.add_node(f"run_{name}", _node(name))
        before = [f"run_{need}" for need in needs] or [START]
        graph.add_edge(before if len(before) > 1 else before[0], f"run_{name}")
    graph.add_edge("run_response", END)
    return graph.compile(checkpointer=saver)


def _node(name: str) -> Callable[[Outputs], Document]:
    needs = DAG[name] or ("given",)

    def run(state: Outputs) -> Document:
        given: Document = {**state}
        return {name: run_stage(name, *(given[need] for need in needs))}

    return run


def main() -> None:
    """Work until stdin ends; a task that fails ends the worker."""
    worker = Worker()
    with ThreadPoolExecutor(_THREADS, initializer=worker.open) as threads:
        for line in sys.stdin:
            threads.submit(worker.run, line).add_done_callback(_end_if_failed)


def _end_if_failed(done: Future[None]) -> None:
    if (failed := done.exception()) is not None:
        print(f"a task failed: {failed!r}", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    main()
