"""What a project may have at once and spend in a day: set by people, read by workers."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.projects import limits_store
from steersman.projects.limits_store import NAMES

FRESH_S = 10.0


class GoesOn(Protocol):
    """What has work go on that waited for a budget, once it is not spent any more."""

    def of_project(self, project_id: UUID) -> int:
        """Let the stages of a project go on, if its budget allows that; return how many did. Harmless to repeat."""


class ProjectLimits:
    """Reads and changes of projects' limits for the API."""

    def __init__(self, *, database: Database, goes_on: GoesOn) -> None:
        self._database = database
        self._goes_on = goes_on

    def get(self, project: str, project_id: UUID) -> dict[str, Any]:
        """Return a project's limits (null: there is none), what it spent today, and how many stages wait for that."""
        found = limits_store.find(self._database, project_id)
        (day,) = limits_store.days(self._database, [project_id])
        return {
            "project": project,
            **(found or dict.fromkeys((*NAMES, "updated_by", "updated_at"))),
            "today": {name: day[name] for name in ("usd", "tokens", "until")},
            "waiting_stages": limits_store.waiting_stages(self._database, project_id),
        }

    def put(self, project: str, project_id: UUID, limits: Mapping[str, Any], *, by: str) -> dict[str, Any]:
        """Set all of a project's limits, have go on what waited for a budget that is not spent now, and return them.

        Workers go by new limits within FRESH_S. Harmless to repeat.
        """
        with self._database.transaction():
            found = limits_store.find(self._database, project_id, lock=True)
            before = {name: found[name] if found else None for name in NAMES}
            limits_store.put(self._database, project_id, limits, by=by)
            if before != dict(limits):
                audit_store.add(self._database, _entry(project, project_id, before, limits, by))
        self._goes_on.of_project(project_id)
        return self.get(project, project_id)


class KnownLimits:
    """The projects' limits as an execution environment knows them, read again after `fresh_s`.

    While PostgreSQL does not answer, the last known ones hold.
    """

    def __init__(
        self, database: Database, *, fresh_s: float = FRESH_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._fresh_s = fresh_s
        self._clock = clock
        self._running_stages: Mapping[UUID, int] = {}
        self._by_day: frozenset[str] = frozenset()
        self._read_at: float | None = None

    def running_stages(self) -> Mapping[UUID, int]:
        """Return how many stages may run at once, by project, of those that are limited."""
        self._refresh()
        return self._running_stages

    def by_day(self) -> frozenset[str]:
        """Return the ids, as texts, of the projects that have a budget of the day."""
        self._refresh()
        return self._by_day

    def _refresh(self) -> None:
        now = self._clock()
        if self._read_at is not None and now - self._read_at <= self._fresh_s:
            return
        try:
            rows = limits_store.known(self._database)
        except Unavailable:
            return
        most = {row["project_id"]: row["max_running_stages"] for row in rows}
        self._running_stages = {
            project_id: stages for project_id, stages in most.items() if stages is not None
        }
        self._by_day = frozenset(str(row["project_id"]) for row in rows if row["by_day"])
        self._read_at = now


def _entry(
    project: str, project_id: UUID, before: Mapping[str, Any], after: Mapping[str, Any], by: str
) -> Entry:
    detail = {"before": dict(before), "after": dict(after)}
    return Entry(
        project_id=project_id,
        by=by,
        action=Action.PROJECT_LIMITS_SET,
        target=audit.project(project),
        detail=detail,
    )
