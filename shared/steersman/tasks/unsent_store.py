"""The SQL of what a worker that died may not have sent: jobs that are ready, and dead letters."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from steersman.db.arrays import ids, plain
from steersman.db.connection import Database


def ready_stages(database: Database, task_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return the stages of these tasks that wait for a worker.

    Rows: task_id, project_id, stage, queue, attempt, priority, delay_s.
    """
    statement = """
        SELECT s.task_id, s.project_id, s.name AS stage, s.queue, s.attempt, t.priority,
               greatest(0, extract(epoch FROM s.ready_at - clock_timestamp()))::float8 AS delay_s
        FROM task_stages s JOIN task_histories t ON t.id = s.task_id
        WHERE s.task_id = ANY(%(task_ids)s) AND s.status = 'ready'"""
    return database.run(statement, {"task_ids": list(task_ids)})


def dead_stages(database: Database, stages: Sequence[tuple[UUID, str]]) -> list[dict[str, Any]]:
    """Return those of these stages (task id, name) that failed for good: what dead letters say, and the queue."""
    statement = """
        SELECT t.id AS task_id, t.project_id, t.template_name AS template, t.template_version, s.name AS stage,
               s.attempt, s.queue, s.capability, t.correlation_id, s.finished_at AS failed_at, s.error
        FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[]) AS w (task_id, stage)
        JOIN task_stages s ON s.task_id = w.task_id AND s.name = w.stage
        JOIN task_histories t ON t.id = s.task_id
        WHERE s.status = 'failed'"""
    keys = {"task_ids": ids(one[0] for one in stages), "stages": plain(one[1] for one in stages)}
    return database.run(statement, keys)
