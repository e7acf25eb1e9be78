"""A worker: the stage functions' handlers, fed as Lambda feeds them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import functions.stages.agent
import functions.stages.embedding
import functions.stages.executor
import functions.stages.intent
import functions.stages.moderator
import functions.stages.respond
import functions.stages.websearch
from bench.chaos.journal import Journal
from bench.chaos.run_folder import PREFIX, VISIBILITY_S, Run
from bench.chaos.wiring import queue_names, receiver_faults
from bench.sqs.receiver import Receiver

BATCH = 10
WAIT_S = 0.5
STAGE_TIMEOUT_S = 120.0
_HANDLERS: Mapping[str, Callable[[Any, Any], dict[str, Any]]] = {
    "agent": functions.stages.agent.handler,
    "embedding": functions.stages.embedding.handler,
    "executor": functions.stages.executor.handler,
    "intent": functions.stages.intent.handler,
    "moderator": functions.stages.moderator.handler,
    "responses": functions.stages.respond.handler,
    "websearch": functions.stages.websearch.handler,
}


class _Context:
    """What a Lambda function is told of its time."""

    def __init__(self) -> None:
        self._until = time.monotonic() + STAGE_TIMEOUT_S

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._until - time.monotonic()) * 1000))


class Worker:
    """Takes batches of any queue, has its handler do them, and settles what it answered."""

    def __init__(self, run: Run, name: str, *, calm: bool) -> None:
        self._journal = Journal(run.journal(f"process-{name}"))
        self._receiver = Receiver(
            run.sqs_url,
            queues=queue_names(),
            consumer=name,
            visibility_s=VISIBILITY_S,
            faults=None if calm else receiver_faults(run.seed, name),
        )

    def work(self, wanted: Callable[[], bool]) -> None:
        while wanted():
            received = self._receiver.receive(BATCH, WAIT_S)
            if received is None:
                continue
            queue = received.queue.removeprefix(PREFIX).rpartition("-")[0]
            response = None
            try:
                response = _HANDLERS[queue](received.event, _Context())
            except Exception as exc:  # noqa: BLE001 - what Lambda does: the batch comes again
                self._journal.write({"raised": type(exc).__name__, "in": queue, "message": str(exc)[:500]})
            self._receiver.settle(received, response)
