"""The submitting process: tasks through the handler of the tasks API, and the wait for one task's end."""

import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import boto3
import orjson

from bench.engine.channel import Channel
from bench.engine.counts import count_calls
from bench.engine.workload import Context, request, task
from bench.sqs.sender import install
from functions.api import tasks
from steersman.bootstrap import parts

FOLLOW_S = 20.0


class Submitter:
    """Numbers its tasks, so that no two inputs are the same."""

    def __init__(self) -> None:
        self._number = 0
        self.function = {"invocations": 0, "seconds": 0.0}

    def load(self, *, count: int, batch: int, per_s: float | None) -> dict[str, Any]:
        """Submit `count` tasks by POST /v1/tasks/batch: as fast as they are accepted, or `per_s` tasks a second.

        Return the times (seconds since 1970) of the first request and of the last answer.
        """
        began = time.time()
        for sent in range(0, count, batch):
            if per_s and (early := began + sent / per_s - time.time()) > 0:
                time.sleep(early)  # the pace of arrivals, part of the workload
            self._post("/v1/tasks/batch", {"tasks": [self._next() for _ in range(min(batch, count - sent))]})
        return {"began": began, "ended": time.time()}

    def singles(self, *, count: int) -> dict[str, Any]:
        """Submit tasks by POST /v1/tasks, one after the other's end, and return the milliseconds of each.

        The end is seen as a follower sees it: by blocking reads of the task's event stream in Redis.
        """
        return {"milliseconds": [self._single() for _ in range(count)]}

    def report(self) -> dict[str, Any]:
        return {"function": self.function, "cpu_s": time.process_time()}

    def _single(self) -> float:
        began = time.perf_counter()
        task_id = UUID(self._post("/v1/tasks", self._next())["id"])
        ended, cursor = False, None
        while not ended:
            page = parts().tasks.events(task_id, after=cursor, wait_s=FOLLOW_S)
            ended, cursor = page.ended, page.cursor
        return (time.perf_counter() - began) * 1000

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        event = request(path, body)
        began = time.perf_counter()
        answer = tasks.handler(event, Context())
        self.function["seconds"] += time.perf_counter() - began
        self.function["invocations"] += 1
        if answer["statusCode"] != 202:
            raise RuntimeError(f"{path} answered {answer['statusCode']}: {answer['body'][:500]}")
        return orjson.loads(answer["body"])

    def _next(self) -> dict[str, Any]:
        self._number += 1
        return task(self._number)


def main() -> None:
    """Run with the settings in the environment and one argument, JSON: see `children.start_submitter`."""
    channel = Channel()
    given: dict[str, Any] = orjson.loads(sys.argv[1])
    counts = count_calls(urlsplit(given["redis_url"]).port or 0)
    boto3.setup_default_session()
    install(boto3.DEFAULT_SESSION, given["queue_url"])
    submitter = Submitter()
    moves: dict[str, Callable[..., dict[str, Any]]] = {
        "load": submitter.load,
        "singles": submitter.singles,
        "report": lambda: {**submitter.report(), "calls": counts},
    }
    channel.say({"ready": True})
    for asked in channel.asked():
        channel.say(moves[asked.pop("move")](**asked))


if __name__ == "__main__":
    main()
