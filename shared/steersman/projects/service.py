"""Projects by their slugs."""

from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Fault, InvalidInput, NotFound
from steersman.http import cursors
from steersman.ids import DEFAULT_PROJECT, DEFAULT_PROJECT_ID
from steersman.projects import store


class Projects:
    """Resolves slugs to ids and remembers them: a project's id never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = {DEFAULT_PROJECT: DEFAULT_PROJECT_ID}

    def id(self, slug: str) -> UUID:
        """Return the project's id; raise InvalidInput naming the field `project` when there is none."""
        found = self._find(slug)
        if found is None:
            fault = Fault("project", f"there is no project '{slug}'")
            raise InvalidInput("the project is not known", faults=(fault,))
        return found

    def existing(self, slug: str) -> UUID:
        """Return the id of the project that a route names; raise NotFound when there is none."""
        found = self._find(slug)
        if found is None:
            raise NotFound(f"there is no project '{slug}'; GET /v1/projects lists them")
        return found

    def page(self, *, cursor: str | None, limit: int) -> dict[str, Any]:
        """Return {"projects", "next_cursor"}, oldest first."""
        rows = store.page(self._database, after=cursors.decode_id("projects", cursor), limit=limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        return {
            "projects": rows,
            "next_cursor": cursors.encode("projects", str(rows[-1]["id"])) if more else None,
        }

    def _find(self, slug: str) -> UUID | None:
        if slug not in self._known and (found := store.find(self._database, slug)) is not None:
            self._known[slug] = found
        return self._known.get(slug)
