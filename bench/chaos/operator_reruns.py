"""What an operator does with tasks that have ended: has them run again, redrives their dead letters, clones them."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from bench.chaos import orders
from bench.chaos.http_events import request
from bench.chaos.rules_reruns import LABEL
from functions.api.dead_letters import handler as letters
from functions.api.tasks import handler as tasks
from steersman.db.connection import Database

_RERUN, _REDRIVEN, _MANY, _CLONED, _TWICE = 0.4, 0.3, 0.02, 0.08, 0.2
_MANY_PER_S = 20
# Not those of schedules: whether they overlap would be a matter of what they do when they run again.
_ENDED = """
    SELECT id FROM task_histories
    WHERE finished_at IS NOT NULL AND parent_task_id IS NULL AND labels ? 'chaos' ORDER BY finished_at DESC LIMIT 60"""
_STAGES = "SELECT name FROM task_stages WHERE task_id = %(task_id)s ORDER BY position"
_LETTERS = "SELECT id, task_id FROM dead_letters WHERE status = 'open' ORDER BY id DESC LIMIT 60"


class RerunsClerk:
    """Chooses among the tasks that ended last; in the calm it lets them rest."""

    def __init__(self, desk: orders.Desk, database: Database, rng: random.Random, *, calm: bool) -> None:
        self._desk = desk
        self._database = database
        self._rng = rng
        self._calm = calm

    def moves(self) -> tuple[Callable[[], None], ...]:
        return () if self._calm else (self._rerun, self._redrive, self._redrive_many, self._clone)

    def _rerun(self) -> None:
        if task_id := self._one(_RERUN, _ENDED):
            names = [row["name"] for row in self._database.run(_STAGES, {"task_id": task_id["id"]})]
            chosen = self._rng.sample(names, self._rng.choice((1, 1, 2)))
            order = rerun(str(task_id["id"]), chosen, self._desk.key())
            self._give(tasks, order, {200, 409})

    def _redrive(self) -> None:
        if letter := self._one(_REDRIVEN, _LETTERS):
            order = redriven(str(letter["id"]), str(letter["task_id"]), self._desk.key())
            self._give(letters, order, {200, 409})

    def _redrive_many(self) -> None:
        if self._rng.random() < _MANY:
            self._give(letters, many_redriven(self._desk.key()), {200})

    def _clone(self) -> None:
        if task := self._one(_CLONED, _ENDED):
            self._give(tasks, cloned(str(task["id"]), self._desk.key()), {202})

    def _one(self, share: float, statement: str) -> Mapping[str, Any] | None:
        if self._rng.random() >= share:
            return None
        rows = self._database.run(statement)
        return self._rng.choice(rows) if rows else None

    def _give(self, handler: orders.Handler, order: Mapping[str, Any], expected: set[int]) -> None:
        """Send an order, some twice under the same key."""
        self._desk.give(handler, order, expected)
        if self._rng.random() < _TWICE:
            self._desk.give(handler, order, expected)


def rerun(task_id: str, chosen: list[str], key: str) -> Mapping[str, Any]:
    """Return the order to have a task run again from stages."""
    event = request(
        "POST",
        f"/v1/tasks/{task_id}/rerun",
        route="/v1/tasks/{task_id}/rerun",
        parameters={"task_id": task_id},
        body={"from": chosen},
        key=key,
    )
    return {"event": event, "facts": {"what": "rerun", "task_id": task_id, "key": key}}


def redriven(letter_id: str, task_id: str, key: str) -> Mapping[str, Any]:
    """Return the order to redrive a dead letter of a task."""
    event = request(
        "POST",
        f"/v1/dead-letters/{letter_id}/redrive",
        route="/v1/dead-letters/{letter_id}/redrive",
        parameters={"letter_id": letter_id},
        body={},
        key=key,
    )
    return {"event": event, "facts": {"what": "redrive", "task_id": task_id, "key": key}}


def many_redriven(key: str) -> Mapping[str, Any]:
    """Return the order to redrive every open letter of the default project."""
    path = "/v1/dead-letters/redrive"
    body = {"preview": False, "rate_per_s": _MANY_PER_S}
    event = request("POST", path, route=path, body=body, key=key)
    return {"event": event, "facts": {"what": "redrive", "scope": "project", "name": "default", "key": key}}


def cloned(task_id: str, key: str) -> Mapping[str, Any]:
    """Return the order to clone a task; the clone is known by its label."""
    event = request(
        "POST",
        f"/v1/tasks/{task_id}/clone",
        route="/v1/tasks/{task_id}/clone",
        parameters={"task_id": task_id},
        body={"labels": {LABEL: key}},
        key=key,
    )
    return {"event": event, "facts": {"what": "clone", "task_id": task_id, "key": key}}
