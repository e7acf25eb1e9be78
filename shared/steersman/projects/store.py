"""The SQL of projects."""

from uuid import UUID

from steersman.db.connection import Database


def find(database: Database, slug: str) -> UUID | None:
    """Return the id of the project with this slug, or None."""
    rows = database.run("SELECT id FROM projects WHERE slug = %(slug)s", {"slug": slug})
    return rows[0]["id"] if rows else None
