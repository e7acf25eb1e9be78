"""The SQL of dead letters: stages that failed for good, until somebody decides what becomes of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from steersman.db.connection import Database

MAX_LINES = 1000  # of the log, that one letter is shown with
_COLUMNS = """
    l.id, p.slug AS project, l.task_id, l.stage, l.template_name AS template, l.template_version, l.queue, l.capability,
    l.attempt, l.error, l.failed_at, l.status, l.decided_by, l.decided_at, l.reason"""
_CONDITIONS = {
    "status": "l.status = %(status)s",
    "stage": "l.stage = %(stage)s",
    "template": "l.template_name = %(template)s",
    "template_version": "l.template_version = %(template_version)s",
    "error": "l.error_code = %(error)s",
    "failed_after": "l.id >= first_id_at(greatest(%(failed_after)s, timestamptz 'epoch'))",
    "failed_before": "l.id < first_id_at(greatest(%(failed_before)s, timestamptz 'epoch'))",
}

Filters = Mapping[str, str | int | datetime | None]


def page(
    database: Database, project_id: UUID, *, filters: Filters, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` letters of a project, newest first, older than `before`.

    `filters`: status, stage, template, template_version, error (its code), failed_after, failed_before (times).
    """
    where, values = _where(project_id, filters)
    if before is not None:
        where += " AND l.id < %(before)s"
    statement = f"""
        SELECT {_COLUMNS} FROM dead_letters l JOIN projects p ON p.id = l.project_id
        WHERE {where} ORDER BY l.project_id, l.id DESC LIMIT %(limit)s"""  # noqa: S608 - fixed words only
    return database.run(statement, {**values, "before": before, "limit": limit})


def find(database: Database, letter_id: UUID) -> dict[str, Any] | None:
    """Return a letter as `page` does, with its project_id; or None."""
    statement = f"""
        SELECT {_COLUMNS}, l.project_id FROM dead_letters l JOIN projects p ON p.id = l.project_id
        WHERE l.id = %(id)s"""  # noqa: S608 - fixed words only
    rows = database.run(statement, {"id": letter_id})
    return rows[0] if rows else None


def context(database: Database, letter_id: UUID) -> dict[str, Any] | None:
    """Return a letter with what its stage was given, or None.

    Beside the columns of `page`: template_id, correlation_id, input (the task's), edited_input (the stage's
    own, or None), earlier (results of the task's stages by name) and lines (events of the stage, oldest first).
    """
    statement = f"""
        SELECT {_COLUMNS}, t.template_id, t.correlation_id, t.input, s.input AS edited_input,
               (SELECT jsonb_object_agg(e.name, e.output) FROM task_stages e
                WHERE e.task_id = l.task_id AND e.status IN ('completed', 'skipped')) AS earlier,
               (SELECT jsonb_agg(jsonb_build_object('event', e.event, 'attempt', e.attempt, 'at', e.created_at,
                                                    'detail', e.detail) ORDER BY e.id)
                FROM (SELECT * FROM task_events e WHERE e.task_id = l.task_id AND e.stage = l.stage
                      ORDER BY e.id DESC LIMIT {MAX_LINES}) e) AS lines
        FROM dead_letters l
        JOIN projects p ON p.id = l.project_id
        JOIN task_histories t ON t.id = l.task_id
        JOIN task_stages s ON s.task_id = l.task_id AND s.name = l.stage
        WHERE l.id = %(id)s"""  # noqa: S608 - fixed words only
    rows = database.run(statement, {"id": letter_id})
    return rows[0] if rows else None


def discard(database: Database, letter_id: UUID, *, by: str, reason: str) -> bool:
    """Discard an open letter; say whether it was open."""
    statement = """
        UPDATE dead_letters SET status = 'discarded', decided_by = %(by)s, decided_at = clock_timestamp(),
                                reason = %(reason)s
        WHERE id = %(id)s AND status = 'open' RETURNING id"""
    return bool(database.run(statement, {"id": letter_id, "by": by, "reason": reason}))


# Of a task that another one started only that one can be done again.
ITS_OWN = "NOT EXISTS (SELECT FROM task_histories t WHERE t.id = l.task_id AND t.parent_task_id IS NOT NULL)"


def numbers(database: Database, project_id: UUID, filters: Filters) -> list[dict[str, Any]]:
    """Return how many open letters pass the filters, and of how many tasks: letters, tasks.

    In all in the first row, whose template is None; then by template, template_version and error. A task with letters
    of two errors is in both of their rows.
    """
    # The first row is told by grouping(): PostgreSQL takes a column that a filter fixes for one value in every row, and
    # leaves it out of an ORDER BY.
    where, values = _where(project_id, {**filters, "status": "open"}, ITS_OWN)
    statement = f"""
        SELECT l.template_name AS template, l.template_version, l.error_code AS error, count(*) AS letters,
               count(DISTINCT l.task_id) AS tasks
        FROM dead_letters l WHERE {where}
        GROUP BY GROUPING SETS ((), (1, 2, 3)) ORDER BY grouping(l.template_name) DESC, 1, 2, 3"""  # noqa: S608 - fixed words only
    return database.run(statement, values)


def tasks(database: Database, project_id: UUID, filters: Filters, *, limit: int) -> list[UUID]:
    """Return the tasks of open letters that pass the filters, those that failed first first."""
    where, values = _where(project_id, {**filters, "status": "open"}, ITS_OWN)
    statement = f"""
        SELECT l.task_id FROM dead_letters l WHERE {where}
        GROUP BY l.task_id ORDER BY min(l.id::text) LIMIT %(limit)s"""  # noqa: S608 - fixed words only
    return [row["task_id"] for row in database.run(statement, {**values, "limit": limit})]


def usual_cost_usd(database: Database, project_id: UUID, task_ids: list[UUID]) -> float:
    """Return what it usually costs to do again the stages of failed tasks that did not end well.

    For each capability the average cost of a call that was measured in the project; 0 where there was none.
    """
    statement = """
        SELECT coalesce(sum(wanted.stages * usual.cost_usd), 0)::float8 AS cost_usd
        FROM (SELECT s.capability, count(*) AS stages FROM task_stages s
              WHERE s.task_id = ANY(%(task_ids)s) AND s.status IN ('failed', 'cancelled')
              GROUP BY s.capability) AS wanted
        JOIN (SELECT capability, sum(cost_usd) / nullif(sum(calls), 0) AS cost_usd FROM agent_performance
              WHERE project_id = %(project_id)s GROUP BY capability) AS usual USING (capability)"""
    rows = database.run(statement, {"project_id": project_id, "task_ids": task_ids})
    return float(rows[0]["cost_usd"])


def _where(project_id: UUID, filters: Filters, *more: str) -> tuple[str, dict[str, Any]]:
    used = {name: value for name, value in filters.items() if value is not None}
    conditions = ["l.project_id = %(project_id)s", *(_CONDITIONS[name] for name in used), *more]
    return " AND ".join(conditions), {**used, "project_id": project_id}
