"""What a project may have at once: set by people, read by workers."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.projects import limits_store

FRESH_S = 10.0


def get(database: Database, project: str, project_id: UUID) -> dict[str, Any]:
    """Return a project's limits as the API shows them; null: there is none."""
    found = limits_store.find(database, project_id)
    return _shown(project, found or {"max_running_stages": None, "updated_by": None, "updated_at": None})


def put(
    database: Database, project: str, project_id: UUID, *, max_running_stages: int | None, by: str
) -> dict[str, Any]:
    """Set a project's limits and return them; workers go by them within FRESH_S."""
    return _shown(
        project, limits_store.put(database, project_id, max_running_stages=max_running_stages, by=by)
    )


class KnownLimits:
    """The projects' limits as an execution environment knows them, read again after `fresh_s`."""

    def __init__(
        self, database: Database, *, fresh_s: float = FRESH_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._fresh_s = fresh_s
        self._clock = clock
        self._known: Mapping[UUID, int] = {}
        self._read_at: float | None = None

    def running_stages(self) -> Mapping[UUID, int]:
        """Return how many stages may run at once, by project, of those that are limited; the last known ones while
        PostgreSQL does not answer.
        """
        now = self._clock()
        if self._read_at is None or now - self._read_at > self._fresh_s:
            try:
                self._known = limits_store.running_stages(self._database)
            except Unavailable:
                return self._known
            self._read_at = now
        return self._known


def _shown(project: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"project": project, **row}
