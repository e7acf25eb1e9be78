"""Dramatiq on Redis: each stage sends the next one; two outputs meet in a hash. It keeps no state of the DAG.

Settings, and why:
- A message is acknowledged after its actor has ended, its only way. How safe a message is on disk depends on the
  broker, says its documentation: here Redis has an append-only file, synced every second (up to a second may be lost).
  A worker that dies between sending the next message and acknowledging its own runs its stage, and all after it,
  twice: nothing here would notice.
- Results of the last stage alone are stored, in its Redis backend, the one its documentation recommends.
- The stages' outputs travel in the messages: pipelines would pass them too, but cannot hold a group in the middle, and
  the callback of a group is not told the group's results.
- Two processes of eight threads, its default; 64 messages prefetched, for they are short.
- An idle worker asks Redis every 20 ms at the latest (its default is a second): it waits by polling, and single tasks
  took a third less with it.
- Its default middleware.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.peers.dramatiq.actors import intent, response
from bench.peers.protocol import LIMIT_S, WORKERS, Document, Peer, serve, worker_processes

_COMMAND = (
    sys.executable,
    "-m",
    "dramatiq",
    "bench.peers.dramatiq.actors",
    f"--processes={WORKERS}",
    "--threads=8",
)
_SETTINGS = {"dramatiq_queue_prefetch": "64", "dramatiq_worker_timeout": "20"}


class DramatiqPeer:
    """Tasks begun by a message each; the results come from the result backend."""

    def many(self, inputs: Sequence[Document]) -> list[Document]:
        asked = [_submit(given) for given in inputs]
        return [_result(last) for last in asked]

    def one(self, given: Document) -> Document:
        return _result(_submit(given))


def _submit(given: Document) -> Any:
    # The last message is made first, so that its result can be waited for.
    last = response.message({})
    intent.send(given, last.asdict())
    return last


def _result(last: Any) -> Document:
    result: Document = last.get_result(block=True, timeout=LIMIT_S * 1000)
    return result


@contextmanager
def dramatiq() -> Iterator[Peer]:
    """Run the workers until the block is left."""
    with worker_processes([_COMMAND], env={**os.environ, **_SETTINGS}):
        yield DramatiqPeer()


if __name__ == "__main__":
    serve(dramatiq())
