"""Published templates made ready to run, kept for the life of an execution environment: versions never change."""

from collections.abc import Iterable, Mapping
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
                plan = Plan(row["id"], row["version"], parse_template(row["spec"]))
                found[plan.template_id] = self.keep(plan)
        return found

    def known(self, template_id: UUID) -> Plan | None:
        """Return a plan that has been read before, or None."""
        return self._kept.get(template_id)

    def keep(self, plan: Plan) -> Plan:
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        return self._kept.setdefault(plan.template_id, plan)
