"""What publishing a template would mean for what waits and what is scheduled, told before it is done."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.tasks import schedule_store, template_store
from steersman.tasks.schema import Schema
from steersman.tasks.template import Template, parse_template
from steersman.tasks.template_diff import differences

MAX_SCHEDULES = 200  # each with its input, which is read


def report(database: Database, project_id: UUID, template: Template) -> dict[str, Any] | None:
    """Return what would follow if `template` were published as the next version of its name; None for a first version.

    Open tasks and pinned schedules stay on their versions. Schedules that follow the newest would run this one:
    each is named with the faults that its stored input has by the new `input_schema`.
    """
    newest = template_store.find(database, project_id, template.name)
    if newest is None:
        return None
    changes = differences(parse_template(newest["spec"]), template)
    rows = schedule_store.of_template(database, project_id, template.name, limit=MAX_SCHEDULES)
    schema = Schema(template.input_schema) if template.input_schema is not None else None
    shown = [_schedule(row, schema) for row in rows]
    return {
        "newest": newest["version"],
        "changes": [change._asdict() for change in changes],
        "open_tasks": template_store.open_tasks_by_status(database, project_id, template.name),
        "following": [one for one in shown if one["template_version"] is None],
        "pinned": [one for one in shown if one["template_version"] is not None],
        "schedules_not_shown": rows[0]["of"] - len(rows) if rows else 0,
        "nested_in": template_store.starting(database, project_id, template.name),
    }


def _schedule(row: Mapping[str, Any], schema: Schema | None) -> dict[str, Any]:
    follows = row["template_version"] is None
    faults = schema.faults(row["input"], "input") if schema and follows else ()
    return {
        **{name: row[name] for name in ("id", "name", "template_version", "paused")},
        "next_at": None if row["paused"] else row["next_at"],
        "faults": [vars(fault) for fault in faults],
    }
