"""Schedules whose time has come make their tasks: a part of the sweep.

A time's task is accepted under an Idempotency-Key made of the schedule and the time, and the schedule moves on only
if it still stands at that time. So two sweeps at once, or one that dies between the two, make one task of it. A time
that is left out takes the key too: whoever comes first decides.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Conflict, KeyReused, SteersmanError, Unavailable
from steersman.http.request import Request
from steersman.json import rfc3339
from steersman.tasks import schedule_store
from steersman.tasks.resending import Warn
from steersman.tasks.schedule_rows import task_of, times_of
from steersman.tasks.schedule_times import CatchUp, Overlap, move
from steersman.tasks.submission import Submissions
from steersman.tasks.submission_store import NewTask

LIMIT = 500
ROUNDS = 3  # what comes every minute may be due twice, when a sweep is a little late
MAX_FAULTS = 20


class _Overtaken(Conflict):
    """The task that a schedule made last is another than was seen."""


class DueSchedules:
    """Work of the clock, as the sweep takes it: what is due now, and when something is due next."""

    def __init__(self, *, database: Database, submissions: Submissions, warn: Warn) -> None:
        self._database = database
        self._submissions = submissions
        self._warn = warn

    def fire(self) -> int:
        """Let up to LIMIT due schedules make their tasks, the longest due first; return how many tasks they made.

        One whose task is refused notes why and goes on to its next time. Raises Unavailable when a store is away, but
        only after the others: what was not done is still due.
        """
        made, left = 0, LIMIT
        failed: Unavailable | None = None
        for _ in range(ROUNDS):
            rows = schedule_store.due(self._database, limit=left)
            for row in rows:
                try:
                    made += self._fire(row)
                except Unavailable as exc:
                    failed = exc
            left -= len(rows)
            if failed is not None:
                raise failed
            if not rows or not left:
                break
        return made

    def next_due(self) -> datetime | None:
        """Return when the next schedule comes, or None when none does."""
        return schedule_store.next_due(self._database)

    def _fire(self, row: Mapping[str, Any]) -> int:
        try:
            step = move(
                times_of(row),
                due=row["next_at"],
                now=row["now"],
                overlap=Overlap(row["overlap"]),
                catch_up=CatchUp(row["catch_up"]),
                last_open=row["last_open"],
            )
        except SteersmanError as exc:
            # It does not know its next time: somebody has to give it other times and resume it.
            schedule_store.move_on(self._database, row, {"paused": True, "last_error": self._noted(row, exc)})
            return 0
        try:
            told = self._make(row) if step.makes_task else self._leave_out(row, step.skipped)
        except _Overtaken:
            return 0  # it is still due, and looked at again
        schedule_store.move_on(self._database, row, {**told, "next_at": step.next_at})
        return int(told.get("last_task_id") is not None)

    def _make(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Make the task of a time; return what to note of it.

        Raises _Overtaken where the schedule must not overlap itself and has run out of turn since it was read.
        """

        def alone(_: NewTask) -> None:
            if schedule_store.last_task(self._database, row["id"]) != row["last_task_id"]:
                raise _Overtaken("the schedule has run out of turn just now")

        also = alone if row["overlap"] == Overlap.SKIP else None
        try:
            accepted = self._submissions.accept([task_of(row)], _request(row), single=True, also=also)
        except _Overtaken:
            raise
        except KeyReused:
            # A sweep that died made this time's task, and the schedule's task was changed since.
            return {"last_at": row["next_at"]}
        except SteersmanError as exc:
            if exc.retryable:
                raise
            return {"last_error": self._noted(row, exc)}
        return _made(row, accepted)

    def _leave_out(self, row: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
        """Leave a time out, unless a sweep that died has made its task; return what to note of it."""
        skip = {"last_skip": {"due_at": row["next_at"], "reason": reason}}
        try:
            return _made(row, self._submissions.decline(task_of(row), _request(row))) or skip
        except KeyReused:
            return {"last_at": row["next_at"]}
        except SteersmanError as exc:
            if exc.retryable:
                raise
            return skip  # it could not be a task

    def _noted(self, row: Mapping[str, Any], error: SteersmanError) -> dict[str, Any]:
        fields = [fault.field for fault in error.faults[:MAX_FAULTS]]
        self._warn(
            "a schedule made no task",
            {"schedule_id": str(row["id"]), "reason": error.message, "fields": fields},
        )
        return {
            "due_at": row["next_at"],
            "code": error.code,
            "message": error.message,
            "errors": [vars(fault) for fault in error.faults[:MAX_FAULTS]],
        }


def _made(row: Mapping[str, Any], accepted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to note of a time that has its task; nothing when another sweep has left it out."""
    if not accepted["tasks"]:
        return {}
    task_id = UUID(accepted["tasks"][0]["id"])
    return {"last_at": row["next_at"], "last_task_id": task_id, "last_error": None, "last_skip": None}


def _request(row: Mapping[str, Any]) -> Request:
    due = rfc3339(row["next_at"])
    return Request(
        requested_by=row["created_by"],
        requested_through="schedule",
        correlation_id=f"schedule:{row['id']}:{due}",
        route=f"/v1/schedules/{row['id']}/due",
        idempotency_key=due,
    )
