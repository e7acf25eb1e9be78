"""The SQL of schedules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database

_JSON = frozenset({"input", "labels", "constraints", "last_error", "last_skip"})
_SUMMARY = """
    s.id, p.slug AS project, s.name, s.template_name, s.template_version, s.priority, s.when_kind, s.expression,
    s.timezone, s.paused, s.overlap, s.catch_up, s.next_at, s.last_at, s.last_task_id, s.last_error, s.last_skip,
    s.created_by, s.created_at, s.updated_at"""
_WHOLE = f"{_SUMMARY}, s.project_id, s.input, s.labels, s.constraints, clock_timestamp() AS now"


def now(database: Database) -> datetime:
    """Return the time by the database's clock, which schedules are judged by."""
    found: datetime = database.run("SELECT clock_timestamp() AS now")[0]["now"]
    return found


def add(database: Database, row: Mapping[str, Any]) -> None:
    """Store a schedule: its columns. Raise Conflict when there is one of its name in the project."""
    columns = ", ".join(row)
    values = ", ".join(f"%({column})s" for column in row)
    database.run(f"INSERT INTO schedules ({columns}) VALUES ({values})", _adapted(row))  # noqa: S608 - our columns


def find(
    database: Database, project_id: UUID, schedule_id: UUID, *, lock: bool = False
) -> dict[str, Any] | None:
    """Return a schedule of a project with the database's time, or None; `lock` it against other changes."""
    statement = f"""
        SELECT {_WHOLE} FROM schedules s JOIN projects p ON p.id = s.project_id
        WHERE s.project_id = %(project_id)s AND s.id = %(id)s {"FOR UPDATE OF s" if lock else ""}"""  # noqa: S608 - fixed words
    rows = database.run(statement, {"project_id": project_id, "id": schedule_id})
    return rows[0] if rows else None


def page(
    database: Database, project_id: UUID, *, filters: Mapping[str, Any], after: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return schedules of a project by name, behind the name `after`. Filters (None: any): name, template, paused."""
    statement = f"""
        SELECT {_SUMMARY} FROM schedules s JOIN projects p ON p.id = s.project_id
        WHERE s.project_id = %(project_id)s AND (%(after)s::text IS NULL OR s.name > %(after)s)
          AND (%(name)s::text IS NULL OR s.name = %(name)s)
          AND (%(template)s::text IS NULL OR s.template_name = %(template)s)
          AND (%(paused)s::boolean IS NULL OR s.paused = %(paused)s)
        ORDER BY s.name LIMIT %(limit)s"""  # noqa: S608 - fixed words
    return database.run(statement, {**filters, "project_id": project_id, "after": after, "limit": limit})


def change(database: Database, schedule_id: UUID, columns: Mapping[str, Any]) -> None:
    """Set columns of a schedule."""
    changes = ", ".join(f"{column} = %({column})s" for column in columns)
    statement = f"UPDATE schedules SET {changes} WHERE id = %(id)s"  # noqa: S608 - our columns
    database.run(statement, {**_adapted(columns), "id": schedule_id})


def delete(database: Database, project_id: UUID, schedule_id: UUID) -> bool:
    """Delete a schedule; say whether it was there."""
    statement = "DELETE FROM schedules WHERE project_id = %(project_id)s AND id = %(id)s RETURNING id"
    return bool(database.run(statement, {"project_id": project_id, "id": schedule_id}))


def due(database: Database, *, limit: int) -> list[dict[str, Any]]:
    """Return schedules whose time has come, the longest due first, with `now` and `last_open`.

    `last_open` says whether the task that a schedule made last has not ended.
    """
    statement = f"""
        SELECT {_WHOLE},
               coalesce(t.status IN ('pending', 'running', 'awaiting', 'retrying'), false) AS last_open
        FROM schedules s JOIN projects p ON p.id = s.project_id
        LEFT JOIN task_histories t ON t.id = s.last_task_id
        WHERE NOT s.paused AND s.next_at <= clock_timestamp()
        ORDER BY s.next_at LIMIT %(limit)s"""  # noqa: S608 - fixed words
    return database.run(statement, {"limit": limit})


def next_due(database: Database) -> datetime | None:
    """Return when the next schedule comes, or None when none does."""
    found: datetime | None = database.run("SELECT min(next_at) AS next_at FROM schedules WHERE NOT paused")[
        0
    ]["next_at"]
    return found


def move_on(database: Database, row: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    """Set columns of a schedule that `due` returned, unless its time or times have changed since; say whether."""
    changes = ", ".join(f"{column} = %({column})s" for column in columns)
    statement = f"""
        UPDATE schedules SET {changes}
        WHERE id = %(seen_id)s AND next_at = %(seen_next_at)s AND when_kind = %(seen_when_kind)s
          AND expression = %(seen_expression)s AND timezone = %(seen_timezone)s
        RETURNING id"""  # noqa: S608 - our columns
    seen = {f"seen_{name}": row[name] for name in ("id", "next_at", "when_kind", "expression", "timezone")}
    return bool(database.run(statement, {**_adapted(columns), **seen}))


def last_task(database: Database, schedule_id: UUID) -> UUID | None:
    """Return the task that a schedule made last, inside a transaction: nobody notes another one before its end."""
    statement = "SELECT last_task_id FROM schedules WHERE id = %(id)s FOR UPDATE"
    rows = database.run(statement, {"id": schedule_id})
    found: UUID | None = rows[0]["last_task_id"] if rows else None
    return found


def note_task(database: Database, schedule_id: UUID, task_id: UUID) -> None:
    """Note a task that a schedule made out of turn, unless it made a newer one since."""
    statement = """
        UPDATE schedules SET last_task_id = %(task_id)s
        WHERE id = %(id)s AND (last_task_id IS NULL OR last_task_id < %(task_id)s)"""
    database.run(statement, {"id": schedule_id, "task_id": task_id})


def of_template(
    database: Database, project_id: UUID, template: str, *, limit: int
) -> Sequence[dict[str, Any]]:
    """Return schedules of a template, those that come next first: id, name, template_version, paused, next_at, input,
    and in each row how many there are in `of`."""
    statement = """
        SELECT id, name, template_version, paused, next_at, input, count(*) OVER () AS of FROM schedules
        WHERE project_id = %(project_id)s AND template_name = %(template)s
        ORDER BY paused, next_at LIMIT %(limit)s"""
    return database.run(statement, {"project_id": project_id, "template": template, "limit": limit})


def _adapted(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: Jsonb(value) if name in _JSON and value is not None else value
        for name, value in columns.items()
    }
