"""The SQL of audit entries: they are added and read, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database
from steersman.ids import new_id


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Who changed what: `action` is a word of `audit.words`, `target` the thing, `detail` all else about it."""

    project_id: UUID
    by: str
    action: str
    target: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def add(database: Database, entry: Entry) -> None:
    """Write an entry: inside the `Database.transaction` of the change that it tells of."""
    statement = """
        INSERT INTO audit_entries (id, project_id, by, action, target, detail)
        VALUES (%(id)s, %(project_id)s, %(by)s, %(action)s, %(target)s, %(detail)s)"""
    database.run(statement, {**vars(entry), "id": new_id(), "detail": Jsonb(dict(entry.detail))})


def page(
    database: Database,
    project_id: UUID,
    *,
    filters: Mapping[str, str | None],
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return up to `limit` entries of a project, newest first, older than `before`; `filters`: action, target, by."""
    statement = """
        SELECT id, at, by, action, target, detail FROM audit_entries
        WHERE project_id = %(project_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
          AND (%(action)s::text IS NULL OR action = %(action)s)
          AND (%(target)s::text IS NULL OR target = %(target)s)
          AND (%(by)s::text IS NULL OR by = %(by)s)
        ORDER BY project_id, id DESC LIMIT %(limit)s"""
    return database.run(statement, {**filters, "project_id": project_id, "before": before, "limit": limit})
