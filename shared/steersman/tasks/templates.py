"""Templates for people: publish, list, read; and the five that every installation begins with."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.db.connection import Database
from steersman.errors import Conflict, Fault, InvalidInput, NotFound
from steersman.http import cursors
from steersman.ids import new_id
from steersman.json import loads
from steersman.tasks import template_store
from steersman.tasks.nesting import circles
from steersman.tasks.template import Template, parse_template
from steersman.tasks.template_diff import differences
from steersman.tasks.words import Orchestrator

if TYPE_CHECKING:
    from steersman.tasks.machine_making import MachineMaking

DEFAULTS = ("standard_query", "simple_lookup", "complex_research", "web_enhanced", "quick_answer")

PUBLISH_TRIES = 5


@cache
def default_templates() -> tuple[Template, ...]:
    """Return the five default templates."""
    folder = files("steersman.tasks").joinpath("defaults")
    return tuple(parse_template(loads(folder.joinpath(f"{name}.json").read_bytes())) for name in DEFAULTS)


def check(document: Mapping[str, Any], at: str = "template") -> Template:
    """Return the template in a document; raise InvalidInput whose faults are placed under the field `at`."""
    try:
        return parse_template(document)
    except InvalidInput as exc:
        raise _placed(exc, at) from None


def publish(
    database: Database,
    project_id: UUID,
    template: Template,
    *,
    by: str,
    audited: bool = True,
    making: "MachineMaking | None" = None,
) -> dict[str, Any]:
    """Add a template as the next version of its name; the newest version's own text adds nothing.

    A new version has an audit entry unless it is not `audited`: what an installation begins with is nobody's decision.
    With the orchestrator step_functions it gets a state machine from `making`; without that its tasks go by queues.
    Raises InvalidInput when it would start itself again through the templates that its stages start, or does not fit
    into a state machine; Unavailable when that cannot be made: then nothing was published.
    """
    check_published(database, project_id, template)
    if template.orchestrator is Orchestrator.QUEUE:
        making = None
    for tries_left in reversed(range(PUBLISH_TRIES)):
        machine = _machine(database, project_id, template, making) if making is not None else None
        try:
            with database.transaction():
                row = template_store.publish(
                    database, project_id, new_id(), template, created_by=by, state_machine=machine
                )
                if row["added"] and audited:
                    audit_store.add(database, _entry(project_id, template, row["version"], by))
        except Conflict:
            # Another publication took the version meanwhile.
            if not tries_left:
                raise
        else:
            return {"name": template.name, "version": row["version"], "published": row["added"]}
    raise AssertionError("unreachable")


def _machine(database: Database, project_id: UUID, template: Template, making: "MachineMaking") -> str:
    """Return the state machine's version for a template: the newest version's own where that has the same text."""
    newest = template_store.find(database, project_id, template.name)
    if newest and newest["state_machine"] and newest["spec"] == template_store.spec_of(template):
        return str(newest["state_machine"])
    return making.make(project_id, template)


def _entry(project_id: UUID, template: Template, version: int, by: str) -> Entry:
    action, target = Action.TEMPLATE_PUBLISHED, audit.template(template.name)
    return Entry(project_id=project_id, by=by, action=action, target=target, detail={"version": version})


def check_published(database: Database, project_id: UUID, template: Template, at: str = "template") -> None:
    """Raise InvalidInput when a template would start itself again, by the newest versions of others, or when it does
    not fit into the state machine that it asks for.
    """
    if template.orchestrator is Orchestrator.STEP_FUNCTIONS:
        from steersman.tasks.asl.compile import compile_template

        try:
            compile_template(template)
        except InvalidInput as exc:
            raise _placed(exc, at) from None

    def newest(name: str) -> Mapping[str, Any] | None:
        row = template_store.find(database, project_id, name)
        return row["spec"] if row else None

    if faults := circles(template, newest):
        placed = tuple(Fault(f"{at}.{fault.field}", fault.reason) for fault in faults)
        raise InvalidInput("the template could run for ever", faults=placed)


def page(database: Database, project_id: UUID, *, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return {"templates", "next_cursor"}: the newest version of each name, by name."""
    after = cursors.decode("templates", cursor)
    rows = template_store.page(database, project_id, after=after, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    return {
        "templates": [_shown(row) for row in rows],
        "next_cursor": cursors.encode("templates", rows[-1]["name"]) if more else None,
    }


def get(database: Database, project_id: UUID, name: str, version: int | None) -> dict[str, Any]:
    """Return one version (None: the newest); raise NotFound."""
    row = template_store.find(database, project_id, name, version)
    if row is None:
        wanted = f"version {version} of template" if version else "template"
        raise NotFound(f"there is no {wanted} '{name}'")
    return _shown(row)


def diff(
    database: Database, project_id: UUID, name: str, *, before: int | None, after: int | None
) -> dict[str, Any]:
    """Return what differs from version `before` (default: the one before, if any) to `after` (default: the newest).

    Raises NotFound when there is no such version.
    """
    new = get(database, project_id, name, after)
    old = get(database, project_id, name, before if before is not None else max(1, new["version"] - 1))
    return {
        "name": name,
        "before": old["version"],
        "after": new["version"],
        "changes": [change._asdict() for change in differences(old["template"], new["template"])],
        "open_tasks": template_store.open_tasks(database, project_id, name),
    }


def _placed(error: InvalidInput, at: str) -> InvalidInput:
    """Return the error with its faults placed under the field `at`."""
    faults = tuple(type(fault)(f"{at}.{fault.field}", fault.reason) for fault in error.faults)
    return InvalidInput(error.message, faults=faults)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("name", "version", "created_by", "created_at")}
    return {**shown, "template": parse_template(row["spec"])}
