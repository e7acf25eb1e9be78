"""The SQL of tasks that run again: how they ended, and the one statement that has them begin anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Database
from steersman.tasks.log_store import Fact
from steersman.tasks.named_sql import sql
from steersman.tasks.planner import Renewed

FACT_COLUMNS = len(Fact._fields)


class Anew(NamedTuple):
    """A task that is to run again: its end as it was looked at, what begins anew, when, and what the log says of it."""

    task_id: UUID
    ended_at: datetime
    stages: Sequence[Renewed]
    open_sinks: int
    deadline_s: float
    gives_output: bool  # whether the stage of the task's output is among `stages`
    detail: Mapping[str, Any]
    delay_s: float = 0.0
    inputs: Mapping[str, Any] = {}  # by stage: instead of the task's


@dataclass(frozen=True)
class Resumed:
    """What took effect: the log's lines, the jobs to send (as for `resending.resend`), how many letters it answered."""

    facts: list[Fact]
    jobs: list[dict[str, Any]]
    letters: int


def ended(database: Database, task_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return these tasks, open ones too: id, project, status, finished_at, template, parent, deadline_s, statuses.

    `deadline_s` is the task's own, or None; `statuses` are those of its stages by name.
    """
    statement = """
        SELECT t.id, t.project_id, t.status, t.finished_at, t.template_id, t.parent_task_id, t.parent_stage,
               (t.constraints ->> 'deadline_s')::float8 AS deadline_s,
               (SELECT jsonb_object_agg(s.name, s.status) FROM task_stages s WHERE s.task_id = t.id) AS statuses
        FROM task_histories t WHERE t.id = ANY(%(task_ids)s)"""
    return database.run(statement, {"task_ids": list(task_ids)})


def resume(database: Database, tasks: Sequence[Anew], *, by: str) -> Resumed:
    """Have ended tasks run again; those that no longer stand as they were looked at stay as they are."""
    ordered = sorted(tasks, key=lambda task: task.task_id.int)
    stages = [(task, stage) for task in ordered for stage in task.stages]
    rows = database.tuples(
        sql("rerun"),
        {
            "count": len(ordered),
            "by": by,
            "task_ids": ids(task.task_id for task in ordered),
            "ended_at": texts(task.ended_at.isoformat() for task in ordered),
            "open_sinks": plain(task.open_sinks for task in ordered),
            "deadlines_s": plain(task.deadline_s for task in ordered),
            "delays_s": plain(task.delay_s for task in ordered),
            "gives_output": plain(task.gives_output for task in ordered),
            "details": documents(task.detail for task in ordered),
            "stage_task_ids": ids(task.task_id for task, _ in stages),
            "stages": plain(stage.name for _, stage in stages),
            "statuses": plain(stage.status for _, stage in stages),
            "pending_needs": plain(stage.pending_needs for _, stage in stages),
            "inputs": documents(task.inputs.get(stage.name) for task, stage in stages),
        },
    )
    return _resumed(rows)


def _resumed(rows: Sequence[tuple[Any, ...]]) -> Resumed:
    facts = [Fact(*row[:FACT_COLUMNS]) for row in rows]
    jobs = []
    for row in rows:
        priority, delay_s, ready, _ = row[FACT_COLUMNS:]
        common = {"task_id": row[1], "priority": priority, "delay_s": delay_s}
        jobs += [{**job, **common} for job in ready]
    return Resumed(sorted(facts, key=lambda fact: fact.id), jobs, rows[0][-1] if rows else 0)
