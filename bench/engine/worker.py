"""A worker: every stage function in one process, fed by the stand-in for SQS as Lambda feeds them.

The queues are asked in turn, the one served last being asked last: on AWS each queue has pollers of its own and
none goes before another. It ends when the bench closes its pipe.
"""

import cProfile
import sys
import threading
import time
from collections import defaultdict
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

import boto3
import orjson

from bench.engine.channel import Channel
from bench.engine.counts import count_calls
from bench.engine.workload import Context
from bench.sqs.receiver import Receiver
from bench.sqs.sender import install
from functions.stages import embedding, executor, intent, moderator, respond, websearch

HANDLERS = {
    "intent": intent.handler,
    "embedding": embedding.handler,
    "websearch": websearch.handler,
    "executor": executor.handler,
    "moderator": moderator.handler,
    "responses": respond.handler,
}
WAIT_S = 0.5


class Worker:
    """Receives and runs batches of up to `messages` until it is told to stop; `queues`: the stage queue by name."""

    def __init__(self, *, queue_url: str, queues: dict[str, str], consumer: str, messages: int) -> None:
        self._stage_queue = queues
        self._receiver = Receiver(queue_url, queues=list(queues), consumer=consumer)
        self._messages = messages
        self.stopping = threading.Event()
        self.functions: dict[str, dict[str, float]] = defaultdict(
            lambda: {"invocations": 0, "messages": 0, "seconds": 0.0}
        )

    def run(self) -> None:
        while not self.stopping.is_set():
            received = self._receiver.receive(self._messages, WAIT_S)
            if received is None:
                continue
            stage_queue = self._stage_queue[received.queue]
            began = time.perf_counter()
            response = HANDLERS[stage_queue](received.event, Context())
            done = self.functions[stage_queue]
            done["seconds"] += time.perf_counter() - began
            done["invocations"] += 1
            done["messages"] += len(received.entries)
            self._receiver.settle(received, response)


def main() -> None:
    """Run with the settings in the environment and one argument, JSON: see `children.start_worker`."""
    channel = Channel()
    given: dict[str, Any] = orjson.loads(sys.argv[1])
    counts = count_calls(urlsplit(given["redis_url"]).port or 0)
    boto3.setup_default_session()
    install(boto3.DEFAULT_SESSION, given["queue_url"])
    worker = Worker(
        queue_url=given["queue_url"],
        queues=given["queues"],
        consumer=given["name"],
        messages=given["messages"],
    )

    def listen() -> None:
        channel.say({"ready": True})
        for _ in channel.asked():
            channel.say({"functions": worker.functions, "calls": counts, "cpu_s": time.process_time()})
        worker.stopping.set()

    threading.Thread(target=listen, name="bench", daemon=True).start()
    with cProfile.Profile(time.thread_time) if given["profile"] else nullcontext() as profile:
        worker.run()
    if profile is not None:
        profile.dump_stats(given["profile"])


if __name__ == "__main__":
    main()
