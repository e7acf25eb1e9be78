"""The SQL of projects' limits: a project without a row, or with nulls in it, has none."""

from typing import Any
from uuid import UUID

from steersman.db.connection import Database


def find(database: Database, project_id: UUID) -> dict[str, Any] | None:
    """Return a project's limits (max_running_stages, updated_by, updated_at), or None where nobody ever set them."""
    statement = """
        SELECT max_running_stages, updated_by, updated_at FROM project_limits WHERE project_id = %(project_id)s"""
    rows = database.run(statement, {"project_id": project_id})
    return rows[0] if rows else None


def put(database: Database, project_id: UUID, *, max_running_stages: int | None, by: str) -> dict[str, Any]:
    """Set a project's limits and return them, as `find` does; harmless to repeat."""
    statement = """
        INSERT INTO project_limits AS l (project_id, max_running_stages, updated_by)
        VALUES (%(project_id)s, %(max_running_stages)s, %(by)s)
        ON CONFLICT (project_id) DO UPDATE SET
          max_running_stages = excluded.max_running_stages, updated_by = excluded.updated_by
        RETURNING max_running_stages, updated_by, updated_at"""
    values = {"project_id": project_id, "max_running_stages": max_running_stages, "by": by}
    return database.run(statement, values, repeatable=True)[0]


def running_stages(database: Database) -> dict[UUID, int]:
    """Return how many stages may run at once of each project for which that is limited."""
    statement = """
        SELECT project_id, max_running_stages FROM project_limits WHERE max_running_stages IS NOT NULL"""
    return {row["project_id"]: row["max_running_stages"] for row in database.run(statement)}
