"""What an operator does with schedules: makes some, pauses, resumes, quickens and runs them out of turn."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from bench.chaos import orders
from bench.chaos.behaviour import question
from bench.chaos.http_events import request
from bench.chaos.run_folder import Run
from functions.api.schedules import handler
from steersman.db.connection import Database

SCHEDULES = 3
LABEL = "schedule"  # of what a schedule makes, in turn or out of it
_NUMBERS_FROM = 10_000_000  # of the questions: no task that is submitted has them
_MADE, _PAUSED, _RESUMED, _CHANGED, _RUN = 0.3, 0.02, 0.15, 0.02, 0.03
_TEMPLATES = ("quick_answer", "simple_lookup", "standard_query")
_PATH = "/v1/schedules"
_KNOWN = """
    SELECT id, name, paused, when_kind, expression, next_at > clock_timestamp() AS waits
    FROM schedules ORDER BY name"""


class SchedulesClerk:
    """Tends a few schedules; in the calm it pauses each as soon as all of its times have made their tasks."""

    def __init__(
        self, run: Run, desk: orders.Desk, database: Database, rng: random.Random, *, calm: bool
    ) -> None:
        self._seed = run.seed
        self._desk = desk
        self._database = database
        self._rng = rng
        self._calm = calm

    def moves(self) -> tuple[Callable[[], None], ...]:
        return (self._stop,) if self._calm else (self._make, self._tend)

    def _stop(self) -> None:
        for row in self._database.run(_KNOWN):
            if row["waits"] and not row["paused"]:
                self._desk.give(handler, changed(str(row["id"]), {"paused": True}), {200})

    def _make(self) -> None:
        known = {row["name"] for row in self._database.run(_KNOWN)}
        wanted = [number for number in range(SCHEDULES) if f"schedule-{number}" not in known]
        if wanted and self._rng.random() < _MADE:
            number = wanted[0]
            body = {
                "name": f"schedule-{number}",
                "template": self._rng.choice(_TEMPLATES),
                "input": {"question": question(self._seed, _NUMBERS_FROM + number)},
                "labels": {LABEL: f"schedule-{number}"},
                "rate": "1 minute",
                "overlap": ("allow", "skip")[number % 2],
                "catch_up": ("one", "one", "none")[number % 3],
            }
            self._desk.give(handler, created(body, self._desk.key()), {201, 409})

    def _tend(self) -> None:
        for row in self._database.run(_KNOWN):
            draw, schedule_id = self._rng.random(), str(row["id"])
            if draw < _RUN:
                self._desk.give(handler, run_now(schedule_id, self._desk.key()), {202})
            elif draw < _RUN + _CHANGED:
                rate = "2 minutes" if row["expression"] == "1 minute" else "1 minute"
                self._desk.give(handler, changed(schedule_id, {"rate": rate}), {200})
            elif draw < _RUN + _CHANGED + (_RESUMED if row["paused"] else _PAUSED):
                self._desk.give(handler, changed(schedule_id, {"paused": not row["paused"]}), {200})


def created(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the order to make a schedule."""
    event = request("POST", _PATH, route=_PATH, body=dict(body), key=key)
    return {"event": event, "facts": {"what": "schedule", "name": body["name"]}}


def changed(schedule_id: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the order to change a schedule."""
    event = request(
        "PATCH",
        f"{_PATH}/{schedule_id}",
        route=_PATH + "/{schedule_id}",
        parameters={"schedule_id": schedule_id},
        body=dict(changes),
    )
    return {"event": event, "facts": {"what": "change", "scope": "schedule", "name": schedule_id}}


def run_now(schedule_id: str, key: str) -> Mapping[str, Any]:
    """Return the order to run a schedule out of turn."""
    event = request(
        "POST",
        f"{_PATH}/{schedule_id}/run",
        route=_PATH + "/{schedule_id}/run",
        parameters={"schedule_id": schedule_id},
        key=key,
    )
    return {"event": event, "facts": {"what": "run", "scope": "schedule", "name": schedule_id}}
