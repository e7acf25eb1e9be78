"""Published templates made ready to run, kept for the life of an execution environment: versions never change."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.tasks import template_store
from steersman.tasks.planner import Plan
from steersman.tasks.template import parse_template

MAX_KEPT = 1000


class Plans:
    """Plans by template id, read from the database when first needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[UUID, Plan] = {}

    def of(self, template_ids: Iterable[UUID]) -> Mapping[UUID, Plan]:
        """Return the plans of these published versions: no round trip when all are known, else one."""
        wanted = set(template_ids)
        found = {template_id: self._kept[template_id] for template_id in wanted if template_id in self._kept}
        if missing := list(wanted - found.keys()):
            for row in template_store.by_id(self._database, missing):
                plan = self.keep(row)
                found[plan.template_id] = plan
        return found

    def keep(self, row: Mapping[str, Any]) -> Plan:
        """Return the plan of a row of `template_store.by_id` or `.resolve`, made ready once."""
        template_id: UUID = row["id"]
        if template_id not in self._kept:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            made = Plan(template_id, row["version"], parse_template(row["spec"]), row["state_machine"])
            return self._kept.setdefault(template_id, made)
        return self._kept[template_id]
