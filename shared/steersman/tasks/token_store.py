"""The SQL of tokens: what state machines asked of stages, and how these stand when an answer is due."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from steersman.db.arrays import ids, plain, texts
from steersman.db.connection import Database
from steersman.tasks.named_sql import sql


class Asked(NamedTuple):
    """What a state machine asks of a stage (of one item of it), to be answered through `token`."""

    task_id: UUID
    stage: str
    move: str
    token: str
    item: int | None = None


def take(database: Database, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """Note tokens; a stage keeps all that are not answered.

    Rows: place (in `asked`, from 1), task_id, project_id, stage, status, attempt, queue, delay_s; none for what names
    no stage.
    """
    values = {
        "count": len(asked),
        "task_ids": ids(one.task_id for one in asked),
        "stages": plain(one.stage for one in asked),
        "items": plain(one.item for one in asked),
        "moves": plain(one.move for one in asked),
        "tokens": texts(one.token for one in asked),
    }
    return database.run(sql("take_tokens"), values)


def unanswered(
    database: Database, stages: Collection[tuple[UUID, str]], task_ids: Collection[UUID] = ()
) -> list[dict[str, Any]]:
    """Return the tokens of these stages, and of all stages of these tasks, with how each stage stands."""
    statement = """
        WITH wanted AS (
          SELECT k.task_id, k.stage FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[]) AS w (task_id, stage)
          JOIN stage_tokens k ON k.task_id = w.task_id AND k.stage = w.stage
          UNION
          SELECT task_id, stage FROM stage_tokens WHERE task_id = ANY(%(ended)s)
        )
        SELECT k.task_id, k.stage, k.move, k.token, k.attempt AS asked_attempt, s.status, s.attempt, s.error,
               s.children, s.ready_at, t.status AS task_status, t.deadline_at, t.template_id,
               clock_timestamp() AS now,
               (SELECT json_object_agg(o.name, o.status) FROM task_stages o WHERE o.task_id = k.task_id) AS statuses
        FROM wanted w JOIN stage_tokens k ON k.task_id = w.task_id AND k.stage = w.stage
        JOIN task_stages s ON s.task_id = k.task_id AND s.name = k.stage
        JOIN task_histories t ON t.id = k.task_id"""
    ordered = sorted(stages, key=lambda one: (one[0].int, one[1]))
    values = {
        "task_ids": ids(one[0] for one in ordered),
        "stages": plain(one[1] for one in ordered),
        "ended": sorted(task_ids),
    }
    return database.run(statement, values)


def forget(database: Database, tokens: Sequence[tuple[UUID, str, str]]) -> None:
    """Forget tokens (task, stage, token) that have been answered."""
    statement = """
        DELETE FROM stage_tokens k
        USING unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(tokens)s::text[]) AS f (task_id, stage, token)
        WHERE k.task_id = f.task_id AND k.stage = f.stage AND k.token = f.token"""
    values = {
        "task_ids": ids(one[0] for one in tokens),
        "stages": plain(one[1] for one in tokens),
        "tokens": texts(one[2] for one in tokens),
    }
    database.run(statement, values)


def forget_ended(database: Database) -> int:
    """Forget the tokens of tasks that have ended, or are gone; return how many there were.

    Most are forgotten when they are answered: these were not, as their executions had been stopped.
    """
    statement = """
        WITH gone AS (
          DELETE FROM stage_tokens k
          WHERE created_at < now() - interval '1 day' AND NOT EXISTS (
            SELECT FROM task_histories t
            WHERE t.id = k.task_id AND t.status IN ('pending', 'running', 'awaiting', 'retrying'))
          RETURNING 1
        )
        SELECT count(*) AS tokens FROM gone"""
    return int(database.run(statement)[0]["tokens"])


def statuses(database: Database, task_ids: Collection[UUID]) -> list[dict[str, Any]]:
    """Return the statuses of the stages of tasks: task_id, template_id, statuses."""
    statement = """
        SELECT t.id AS task_id, t.template_id,
               (SELECT json_object_agg(s.name, s.status) FROM task_stages s WHERE s.task_id = t.id) AS statuses
        FROM task_histories t WHERE t.id = ANY(%(ids)s)"""
    return database.run(statement, {"ids": sorted(task_ids)})


def orchestrated(database: Database, task_ids: Collection[UUID]) -> list[dict[str, Any]]:
    """Return which of these tasks have executions of their own: id, project_id, priority, status, state_machine."""
    statement = """
        SELECT t.id, t.project_id, t.priority, t.status, d.state_machine
        FROM task_histories t JOIN task_dag_templates d ON d.id = t.template_id
        WHERE t.id = ANY(%(ids)s) AND t.orchestrator = 'step_functions' AND t.only_stage IS NULL
          AND d.state_machine IS NOT NULL
        ORDER BY t.id"""
    return database.run(statement, {"ids": sorted(task_ids)})
