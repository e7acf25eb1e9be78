"""The calling process of a path: requests to the handlers of the API, and sweeps, each timed where it is made."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import orjson

from bench.engine.channel import Channel
from bench.engine.counts import SQL, count_calls
from bench.engine.workload import Context, request
from bench.scale.sweeps import TimedDatabase
from bench.sqs.sender import install
from functions.api import dead_letters, tasks
from functions.ops import sweep
from steersman.bootstrap import parts


class Caller:
    """Asks the API as clients do, and sweeps as the clock does."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._function = {"invocations": 0, "seconds": 0.0}
        self._database: TimedDatabase | None = None

    def submit(self, *, tasks: list[dict[str, Any]]) -> dict[str, Any]:
        """Submit tasks by one POST /v1/tasks/batch; return the times (since 1970) of the request and the answer."""
        return self._post("/v1/tasks/batch", {"tasks": tasks}, 202)

    def load(self, *, task: dict[str, Any], count: int, batch: int) -> dict[str, Any]:
        """Submit the same task `count` times, `batch` in a request; return the times of the first and the last."""
        began = time.time()
        for sent in range(0, count, batch):
            self._post("/v1/tasks/batch", {"tasks": [task] * min(batch, count - sent)}, 202)
        return {"began": began, "ended": time.time()}

    def redrive(self, *, body: dict[str, Any], key: str) -> dict[str, Any]:
        """Redrive dead letters by POST /v1/dead-letters/redrive; return its answer, and when it came."""
        return self._post("/v1/dead-letters/redrive", body, 200, key)

    def sweep(self) -> dict[str, Any]:
        """Sweep once; return what it did, how long its statements took, and how many statements it made in all."""
        if self._database is None:
            self._database = TimedDatabase(parts().settings.database_url, steady_plans=True)
            # As a cached property keeps it: this connection instead of the one that would be built.
            vars(parts())["engine_database"] = self._database
        self._database.waited_s, before = 0.0, self._counts[SQL]
        began = time.perf_counter()
        swept = sweep.handler({}, Context())
        return {
            **swept,
            "seconds": time.perf_counter() - began,
            "database_s": self._database.waited_s,
            "statements": self._counts[SQL] - before,
        }

    def report(self) -> dict[str, Any]:
        """Return what `bench.engine.readings` asks of whoever submits."""
        return {"function": self._function, "cpu_s": time.process_time(), "calls": self._counts}

    def _post(self, path: str, body: dict[str, Any], status: int, key: str | None = None) -> dict[str, Any]:
        event = request(path, body)
        if key is not None:
            event["headers"]["idempotency-key"] = key
        handler = dead_letters.handler if "dead-letters" in path else tasks.handler
        began, clock = time.time(), time.perf_counter()
        answer = handler(event, Context())
        seconds = time.perf_counter() - clock
        self._function["seconds"] += seconds
        self._function["invocations"] += 1
        if answer["statusCode"] != status:
            raise RuntimeError(f"{path} answered {answer['statusCode']}: {answer['body'][:500]}")
        return {"began": began, "seconds": seconds, "answer": orjson.loads(answer["body"])}


def main() -> None:
    """Run with the settings in the environment and one argument, JSON: see `children.start_child`."""
    channel = Channel()
    given: dict[str, Any] = orjson.loads(sys.argv[1])
    counts = count_calls(urlsplit(given["redis_url"]).port or 0)
    boto3.setup_default_session()
    install(boto3.DEFAULT_SESSION, given["queue_url"])
    caller = Caller(counts)
    moves: dict[str, Callable[..., dict[str, Any]]] = {
        "submit": caller.submit,
        "load": caller.load,
        "redrive": caller.redrive,
        "sweep": caller.sweep,
        "report": caller.report,
    }
    channel.say({"ready": True})
    for asked in channel.asked():
        channel.say(moves[asked.pop("move")](**asked))


if __name__ == "__main__":
    main()
