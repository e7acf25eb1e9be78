"""Celery on Redis: a canvas of a chain, a group and a chain, which Celery makes into a chord.

Settings, and why:
- Durable as its documentation says: task_acks_late and task_reject_on_worker_lost, so that a task whose worker dies
  runs again (in a pool of threads after the visibility timeout, an hour by default). Of Redis it only asks that no key
  is evicted, its default; here it has an append-only file too, synced every second (up to a second may be lost).
- worker_prefetch_multiplier 64: what its optimisation guide advises for many short tasks.
- ignore_result where the canvas does not need the result: intent, executor and moderator pass theirs on in the chain.
- No rate limits, remote control, gossip, mingle or heartbeats, one priority step: fewer round trips, nothing lost.
- Two workers of four threads: faster here than one of two forked processes, and than two of the solo pool.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import chain, group  # type: ignore[import-not-found]

from bench.peers.celery.tasks import embedding, executor, intent, moderator, response, websearch
from bench.peers.protocol import LIMIT_S, WORKERS, Document, Peer, serve, worker_processes

_PROGRAM = (sys.executable, "-m", "celery", "--app", "bench.peers.celery.tasks", "worker")
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
_POOL = ("--pool=threads", "--concurrency=4")


class CeleryPeer:
    """Tasks sent as a canvas each; the results come from the result backend."""

    def many(self, inputs: Sequence[Document]) -> list[Document]:
        asked = [_submit(given) for given in inputs]
        return [_result(one) for one in asked]

    def one(self, given: Document) -> Document:
        return _result(_submit(given))


def _submit(given: Document) -> Any:
    both = group(embedding.s(), websearch.s())
    return chain(intent.s(given), both, executor.s(), moderator.s(), response.s()).delay()


def _result(asked: Any) -> Document:
    result: Document = asked.get(timeout=LIMIT_S)
    return result


@contextmanager
def celery() -> Iterator[Peer]:
    """Run the workers until the block is left."""
    commands = [(*_PROGRAM, *_QUIET, *_POOL, f"--hostname={number}@%h") for number in range(WORKERS)]
    with worker_processes(commands):
        yield CeleryPeer()


if __name__ == "__main__":
    serve(celery())
