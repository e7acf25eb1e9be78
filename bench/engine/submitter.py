"""The submitting process: tasks, and the wait for one task's end, through the handler of the tasks API."""

import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import orjson

from bench.engine.channel import Channel
from bench.engine.counts import count_calls
from bench.engine.workload import Context, request, task, waiting
from bench.sqs.sender import install
from functions.api import tasks
from steersman.tasks.words import TaskStatus

WAIT_S = 20


class Submitter:
    """Numbers its tasks, so that no two inputs are the same."""

    def __init__(self) -> None:
        self._number = 0
        self.function = {"invocations": 0, "seconds": 0.0}

    def load(
        self, *, count: int, batch: int, per_s: float | None, project: str = "default"
    ) -> dict[str, Any]:
        """Submit `count` tasks of a project by POST /v1/tasks/batch, as fast as they are accepted or `per_s` a second.

        Return the times (seconds since 1970) of the first request and of the last answer.
        """
        began = time.time()
        for sent in range(0, count, batch):
            if per_s and (early := began + sent / per_s - time.time()) > 0:
                time.sleep(early)  # the pace of arrivals, part of the workload
            tasks = [{**self._next(), "project": project} for _ in range(min(batch, count - sent))]
            self._post("/v1/tasks/batch", {"tasks": tasks})
        return {"began": began, "ended": time.time()}

    def singles(self, *, count: int) -> dict[str, Any]:
        """Submit tasks by POST /v1/tasks, one after the other's end, and return the milliseconds of each.

        From the request to the task in hand as it ended: GET /v1/tasks/{id}?wait_s=20, once, as a user asks for it.
        """
        return {"milliseconds": [self._single() for _ in range(count)]}

    def report(self) -> dict[str, Any]:
        return {"function": self.function, "cpu_s": time.process_time()}

    def _single(self) -> float:
        began = time.perf_counter()
        task_id = self._post("/v1/tasks", self._next())["id"]
        while not TaskStatus(self._wait(task_id)["status"]).final:
            pass
        return (time.perf_counter() - began) * 1000

    def _wait(self, task_id: str) -> Any:
        path = f"/v1/tasks/{task_id}"
        return _answered(path, tasks.handler(waiting(path, WAIT_S), Context()), 200)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        event = request(path, body)
        began = time.perf_counter()
        answer = tasks.handler(event, Context())
        self.function["seconds"] += time.perf_counter() - began
        self.function["invocations"] += 1
        return _answered(path, answer, 202)

    def _next(self) -> dict[str, Any]:
        self._number += 1
        return task(self._number)


def _answered(path: str, answer: dict[str, Any], status: int) -> Any:
    if answer["statusCode"] != status:
        raise RuntimeError(f"{path} answered {answer['statusCode']}: {answer['body'][:500]}")
    return orjson.loads(answer["body"])


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
