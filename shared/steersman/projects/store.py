"""The SQL of projects."""

from typing import Any
from uuid import UUID

from steersman.db.connection import Database


def find(database: Database, slug: str) -> UUID | None:
    """Return the id of the project with this slug, or None."""
    rows = database.run("SELECT id FROM projects WHERE slug = %(slug)s", {"slug": slug})
    return rows[0]["id"] if rows else None


def page(database: Database, *, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Return projects behind `after`, oldest first: id, slug, name, created_at, updated_at."""
    statement = """
        SELECT id, slug, name, created_at, updated_at FROM projects
        WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s"""
    return database.run(statement, {"after": after, "limit": limit})
