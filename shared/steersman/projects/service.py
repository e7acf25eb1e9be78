"""Projects by their slugs."""

from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Fault, InvalidInput
from steersman.ids import DEFAULT_PROJECT, DEFAULT_PROJECT_ID
from steersman.projects import store


class Projects:
    """Resolves slugs to ids and remembers them: a project's id never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = {DEFAULT_PROJECT: DEFAULT_PROJECT_ID}

    def id(self, slug: str) -> UUID:
        """Return the project's id; raise InvalidInput naming the field `project` when there is none."""
        if slug not in self._known:
            found = store.find(self._database, slug)
            if found is None:
                fault = Fault("project", f"there is no project '{slug}'")
                raise InvalidInput("the project is not known", faults=(fault,))
            self._known[slug] = found
        return self._known[slug]
