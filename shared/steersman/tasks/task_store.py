"""The SQL of tasks by their ids: to read one, to ask how it stands, to stop some."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database
from steersman.ids import new_id
from steersman.tasks import family_store
from steersman.tasks.log_store import Fact, facts_of
from steersman.tasks.named_sql import sql
from steersman.tasks.words import TaskStatus


def task(database: Database, task_id: UUID) -> dict[str, Any] | None:
    """Return one task with its stages (a list under `stages`, in template order), or None."""
    statement = """
        SELECT t.id, p.slug AS project, t.template_id,
               t.template_name AS template, t.template_version, t.orchestrator, t.status,
               t.priority, t.input, t.output, t.error, t.requirements, t.constraints, t.labels,
               t.business_value_usd, t.business_value_kind, t.requested_by, t.requested_through, t.correlation_id,
               t.cloned_from,
               t.quality_score, t.cost_usd, t.tokens, t.deadline_at, t.started_at, t.finished_at, t.created_at,
               t.updated_at, t.parent_task_id, t.parent_stage, t.item, t.paused, t.failing, t.only_stage,
               (SELECT jsonb_agg(jsonb_build_object(
                  'name', s.name, 'queue', s.queue, 'capability', s.capability, 'status', s.status,
                  'attempt', s.attempt, 'agent', s.agent_name, 'model', s.model, 'error', s.error,
                  'cost_usd', s.cost_usd::text, 'tokens', s.tokens, 'pending_needs', s.pending_needs,
                  'ready_at', s.ready_at,
                  'next_attempt_at', CASE WHEN s.status = 'ready' AND s.error IS NOT NULL THEN s.ready_at END,
                  'waiting_for', CASE WHEN s.status = 'ready' AND s.resent_at > now() AND s.resent_at < 'infinity'
                                      THEN s.waiting_for END,
                  'started_at', s.started_at, 'finished_at', s.finished_at,
                  'duration_ms', (extract(epoch FROM s.finished_at - s.started_at) * 1000)::int,
                  'awaited_at', s.awaited_at,
                  'awaits_until', CASE WHEN s.status = 'awaiting' THEN s.ready_at END,
                  'tasks', CASE WHEN s.children IS NOT NULL THEN jsonb_build_object('started', s.children,
                    'open', s.children_open, 'failed', s.children_failed) END)
                  ORDER BY s.position)
                FROM task_stages s WHERE s.task_id = t.id) AS stages
        FROM task_histories t JOIN projects p ON p.id = t.project_id
        WHERE t.id = %(task_id)s"""
    rows = database.run(statement, {"task_id": task_id})
    return rows[0] if rows else None


def status(database: Database, task_id: UUID) -> TaskStatus | None:
    """Return how a task stands, or None when there is no such task: asked again and again by who waits."""
    statement = "SELECT status FROM task_histories WHERE id = %(task_id)s"
    rows = database.tuples(statement, {"task_id": task_id})
    return TaskStatus(rows[0][0]) if rows else None


def standing(database: Database, task_id: UUID) -> dict[str, Any] | None:
    """Return how a task stands: project_id, status, cost_usd, tokens, age_s; or None when there is no such task."""
    statement = """
        SELECT project_id, status, cost_usd, tokens, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age_s
        FROM task_histories WHERE id = %(task_id)s"""
    rows = database.run(statement, {"task_id": task_id})
    return rows[0] if rows else None


def templates(database: Database, task_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the template version of each of these tasks that there are."""
    statement = "SELECT id, template_id FROM task_histories WHERE id = ANY(%(task_ids)s)"
    return dict(database.tuples(statement, {"task_ids": list(task_ids)}))


def stop(
    database: Database,
    task_ids: Sequence[UUID],
    *,
    status: str,
    errors: Sequence[dict[str, Any] | None],
    by: str | None = None,
) -> list[Fact]:
    """End open tasks from outside as `cancelled` or `failed`, and with them the open tasks that they started.

    Tasks that have ended stay as they are. What somebody does (`by`), and not a clock, has an audit entry for each task
    that is named.
    """
    values = {
        "task_ids": list(task_ids),
        "status": status,
        "errors": [_json(error) for error in errors],
        "by": by,
        "entries": [new_id() for _ in task_ids],
    }
    return facts_of(family_store.locked(database, task_ids, lambda: database.tuples(sql("stop"), values)))


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)
