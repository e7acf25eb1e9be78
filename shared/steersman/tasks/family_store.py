"""The SQL of tasks that tasks start: their rows, their ends, what they came to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from psycopg import RawCursor
from psycopg.rows import tuple_row

from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Connection, Database
from steersman.db.statements import Statement
from steersman.tasks.attempts import Attempt
from steersman.tasks.log_store import Fact, facts_of
from steersman.tasks.named_sql import sql
from steersman.tasks.planner import Plan
from steersman.tasks.ways import Child

T = TypeVar("T")

CHUNK = 1000  # tasks that one statement starts


def spread(
    database: Database,
    attempt: Attempt,
    plan: Plan,
    inputs: Sequence[Mapping[str, Any]],
    new_ids: Sequence[UUID],
    *,
    window: int,
    tolerated: int,
    only_stage: str | None,
) -> list[Fact]:
    """Start a task of `plan` for each of `inputs`, all or none, and note that the attempt's stage waits for them.

    Those behind the first `window` are held. Returns the facts; none when the attempt's lease is lost.
    """
    stage = {
        "task_id": attempt.job.task_id,
        "stage": attempt.job.stage,
        "lease_id": attempt.lease.lease_id,
        "children": len(inputs),
        "tolerated": tolerated,
        "window": window,
    }
    with database.transaction() as connection:
        facts = facts_of(_run(connection, sql("spread"), stage))
        for start in range(0, len(inputs) if facts else 0, CHUNK):
            part = slice(start, start + CHUNK)
            values = _children(attempt, plan, inputs[part], new_ids[part], start)
            # Items may wait long for their turn: they have as long as the task that started them.
            deadline_s = plan.template.deadline_s if len(inputs) == 1 and only_stage is None else None
            values |= {"window": window, "only_stage": only_stage, "deadline_s": deadline_s}
            _run(connection, sql("children"), values)
    return facts


def _children(
    attempt: Attempt, plan: Plan, inputs: Sequence[Mapping[str, Any]], new_ids: Sequence[UUID], first: int
) -> dict[str, Any]:
    stages = plan.new_stages
    return {
        "parent_task_id": attempt.job.task_id,
        "parent_stage": attempt.job.stage,
        "parent_attempt": attempt.job.attempt,
        "template_id": plan.template_id,
        "template_name": plan.template.name,
        "template_version": plan.version,
        "orchestrator": plan.orchestrator,
        "open_sinks": len(plan.template.sinks),
        "sources": ",".join(plan.sources),
        "ids": ids(new_ids),
        "inputs": documents(inputs),
        "items": plain(range(first, first + len(inputs))),
        "stage_names": plain(stage.name for stage in stages),
        "stage_positions": plain(stage.position for stage in stages),
        "stage_queues": plain(stage.queue for stage in stages),
        "stage_capabilities": texts(stage.capability for stage in stages),
        "stage_pending_needs": plain(stage.pending_needs for stage in stages),
        "stage_statuses": plain(stage.status for stage in stages),
    }


def _run(connection: Connection, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    cursor = RawCursor(connection, row_factory=tuple_row).execute(statement.text, statement.values(values))
    return cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else []


def wake(database: Database, ended: Sequence[UUID]) -> list[dict[str, Any]]:
    """Count tasks that have ended for the stages that started them; harmless to repeat.

    Returns what is to be sent now: task_id, stage, queue, attempt, priority.
    """
    rows: list[dict[str, Any]] = []
    for start in range(0, len(ended), CHUNK):
        part = ended[start : start + CHUNK]
        rows += database.run(sql("wake"), {"task_ids": ids(part), "count": len(part)}, repeatable=True)
    return rows


def results(database: Database, task_id: UUID, stage: str) -> list[Child]:
    """Return how the tasks stand that a stage started last, by item; a later attempt may be the one that joins them."""
    statement = """
        SELECT c.item, c.status, c.output, c.error FROM task_histories c
        WHERE c.parent_task_id = %(task_id)s AND c.parent_stage = %(stage)s
          AND c.parent_attempt = (SELECT max(parent_attempt) FROM task_histories
                                  WHERE parent_task_id = %(task_id)s AND parent_stage = %(stage)s)
        ORDER BY c.item"""
    rows = database.tuples(statement, {"task_id": task_id, "stage": stage})
    return [Child(*row) for row in rows]


def locked(database: Database, task_ids: Sequence[UUID], work: Callable[[], T]) -> T:
    """Return what `work` gives in a transaction that first waits for what is being done to the stages of these tasks.

    A statement sees what was committed when it began: so it sees results that were just being stored, and tasks that
    were just being started.
    """
    statement = """
        WITH RECURSIVE family AS (
          SELECT unnest(%(task_ids)s::uuid[]) AS id
          UNION
          SELECT c.id FROM family f JOIN task_histories c ON c.parent_task_id = f.id
          WHERE c.status IN ('pending', 'running', 'awaiting', 'retrying')
        )
        SELECT FROM task_stages s JOIN family f ON f.id = s.task_id
        WHERE s.status IN ('pending', 'ready', 'running', 'awaiting')
        ORDER BY s.task_id, s.name
        FOR UPDATE OF s"""

    def after_others() -> T:
        database.tuples(statement, {"task_ids": list(task_ids)})
        return work()

    return database.together(after_others)


def untold(database: Database, *, older_than_s: float, limit: int) -> list[UUID]:
    """Return tasks that ended long ago, and that the stages which started them do not know of."""
    statement = """
        SELECT id FROM task_histories
        WHERE counted IS NULL AND parent_task_id IS NOT NULL AND status IN ('completed', 'failed', 'cancelled')
          AND finished_at < now() - make_interval(secs => %(older_than_s)s)
        LIMIT %(limit)s"""
    rows = database.tuples(statement, {"older_than_s": older_than_s, "limit": limit})
    return [row[0] for row in rows]


def failures(database: Database, task_id: UUID, stage: str, *, limit: int) -> list[Child]:
    """Return the first tasks, by item, that a stage started last and that failed or were cancelled."""
    statement = """
        SELECT c.item, c.status, NULL, c.error FROM task_histories c
        WHERE c.parent_task_id = %(task_id)s AND c.parent_stage = %(stage)s
          AND c.parent_attempt = (SELECT max(parent_attempt) FROM task_histories
                                  WHERE parent_task_id = %(task_id)s AND parent_stage = %(stage)s)
          AND c.status IN ('failed', 'cancelled')
        ORDER BY c.item LIMIT %(limit)s"""
    values = {"task_id": task_id, "stage": stage, "limit": limit}
    return [Child(*row) for row in database.tuples(statement, values)]


def open_children(database: Database, parents: Sequence[tuple[UUID, str | None]]) -> list[UUID]:
    """Return the open tasks that these stages (task, name; None: any of the task's) started."""
    statement = """
        SELECT c.id FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[]) AS p (task_id, stage)
        JOIN task_histories c ON c.parent_task_id = p.task_id AND (p.stage IS NULL OR c.parent_stage = p.stage)
        WHERE c.status IN ('pending', 'running', 'awaiting', 'retrying')"""
    keys = {"task_ids": ids(one[0] for one in parents), "stages": texts(one[1] for one in parents)}
    return [row[0] for row in database.tuples(statement, keys)]


def page(
    database: Database, task_id: UUID, stage: str, *, status: str | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return tasks that a stage started in its latest attempt, by item, from behind item `after`."""
    statement = """
        SELECT c.id, c.item, c.status, c.output, c.error, c.cost_usd, c.tokens, c.started_at, c.finished_at
        FROM task_histories c
        WHERE c.parent_task_id = %(task_id)s AND c.parent_stage = %(stage)s AND c.item > %(after)s
          AND c.parent_attempt = (SELECT max(parent_attempt) FROM task_histories
                                  WHERE parent_task_id = %(task_id)s AND parent_stage = %(stage)s)
          AND (%(status)s::text IS NULL OR c.status = %(status)s)
        ORDER BY c.item LIMIT %(limit)s"""
    values = {"task_id": task_id, "stage": stage, "status": status, "after": after, "limit": limit}
    return database.run(statement, values)
