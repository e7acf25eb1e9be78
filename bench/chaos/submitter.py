"""A submitter: sends its requests through the API's handler, again and again under the same key until answered."""

import threading
import time
from collections.abc import Callable
from typing import Any

from bench.chaos.behaviour import question
from bench.chaos.http_events import answer_of, request
from bench.chaos.journal import Journal, read
from bench.chaos.run_folder import Run
from bench.chaos.schedule import CancelTask, Move, PlannedTask, Submit, make
from functions.api.tasks import handler

PAUSE_S = 0.2
_ANSWERED = {200, 202, 409}


class Submitter:
    """Does the moves of its place in the schedule, from the first that its journal does not hold on."""

    def __init__(self, run: Run, place: int) -> None:
        self._run = run
        self._moves = make(run.seed, run.tasks, run.storm_s).moves[place]
        path = run.journal(f"submitter-{place}")
        self._done = {record["move"] for record in read(path)}
        self._journal = Journal(path)
        self._ids: dict[int, str] = {}
        for journal in run.journals("submitter"):
            self._learn(list(read(journal)))

    def work(self, wanted: Callable[[], bool]) -> None:
        """Do all moves at their times, each until it is answered; those that are late at once."""
        pause = threading.Event()
        for place, move in enumerate(self._moves):
            if place in self._done:
                continue
            pause.wait(max(0.0, self._run.began + move.at_s - time.monotonic()))
            while wanted() and not self._do(place, move):
                pause.wait(PAUSE_S)
        self._journal.write({"move": "all"})

    def _do(self, place: int, move: Move) -> bool:
        """Do a move and say whether it was answered."""
        if isinstance(move, CancelTask):
            return self._cancel(place, move)
        status, body = answer_of(handler(self._request(move), None))
        if status in _ANSWERED:
            tasks = body.get("tasks", [body])
            numbers = [task.number for task in move.tasks]
            record = {
                "move": place,
                "key": move.key,
                "status": status,
                "numbers": numbers,
                "ids": [task["id"] for task in tasks],
            }
            self._journal.write(record)
            self._learn([record])
        elif status < 500:
            raise RuntimeError(f"a request of the schedule was refused: {status} {body}")
        return status in _ANSWERED

    def _cancel(self, place: int, move: CancelTask) -> bool:
        task_id = self._ids.get(move.number)
        if task_id is None:
            return False
        path = f"/v1/tasks/{task_id}/cancel"
        key = f"cancel-{self._run.seed}-{move.number}"
        parameters = {"task_id": task_id}
        event = request(
            "POST", path, route="/v1/tasks/{task_id}/cancel", parameters=parameters, body={}, key=key
        )
        status, body = answer_of(handler(event, None))
        if status in _ANSWERED:
            told = body.get("status") if status == 200 else None
            self._journal.write({"move": place, "cancelled": task_id, "status": status, "task_status": told})
        elif status < 500:
            raise RuntimeError(f"a cancellation of the schedule was refused: {status} {body}")
        return status in _ANSWERED

    def _request(self, move: Submit) -> dict[str, Any]:
        bodies = [_body(self._run.seed, task) for task in move.tasks]
        if len(bodies) == 1:
            return request("POST", "/v1/tasks", route="/v1/tasks", body=bodies[0], key=move.key)
        return request(
            "POST", "/v1/tasks/batch", route="/v1/tasks/batch", body={"tasks": bodies}, key=move.key
        )

    def _learn(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            self._ids.update(zip(record.get("numbers", ()), record.get("ids", ()), strict=True))


def _body(seed: int, task: PlannedTask) -> dict[str, Any]:
    limits = {
        "deadline_s": task.deadline_s,
        "budget_usd": task.budget_usd,
        "budget_tokens": task.budget_tokens,
    }
    return {
        "project": task.project,
        "template": task.template,
        "input": {"question": question(seed, task.number)},
        "priority": task.priority,
        "labels": {"chaos": str(task.number)},
        "constraints": {name: value for name, value in limits.items() if value is not None},
    }
