"""The SQL of a task's status alone: asked again and again by who waits for its end."""

from uuid import UUID

from steersman.db.connection import Database
from steersman.tasks.words import TaskStatus


def status(database: Database, task_id: UUID) -> TaskStatus | None:
    """Return how a task stands, or None when there is no such task."""
    statement = "SELECT status FROM task_histories WHERE id = %(task_id)s"
    rows = database.tuples(statement, {"task_id": task_id})
    return TaskStatus(rows[0][0]) if rows else None
