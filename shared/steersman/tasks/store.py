"""The SQL of tasks: each function carries out one decision for a whole batch in one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database
from steersman.http.request import KeptAnswer
from steersman.tasks.planner import Decision, Plan
from steersman.tasks.words import Priority


@cache
def _sql(name: str) -> str:
    return files("steersman.tasks").joinpath("sql", f"{name}.sql").read_text("utf-8")


@dataclass(frozen=True)
class Fact:
    """One line of a task's log: what happened, to which stage (None: to the task), as the database recorded it."""

    id: int
    task_id: UUID
    project_id: UUID
    stage: str | None
    event: str
    attempt: int | None
    detail: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task as it is accepted."""

    id: UUID
    project_id: UUID
    plan: Plan
    priority: Priority
    input: dict[str, Any]
    requirements: list[str]
    constraints: dict[str, Any]
    labels: dict[str, str]
    business_value_usd: Decimal | None
    business_value_kind: str | None
    requested_by: str
    requested_through: str
    correlation_id: str
    deadline_at: datetime


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right that a worker asks for: to run one attempt for `seconds`."""

    task_id: UUID
    stage: str
    attempt: int
    lease_id: UUID
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one leased attempt, and who did it at which cost."""

    task_id: UUID
    stage: str
    lease_id: UUID
    decision: Decision
    agent_id: UUID | None = None
    agent_name: str | None = None
    model: str | None = None
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    quality: float | None = None


def submit(
    database: Database, tasks: Sequence[NewTask], *, at: datetime, keep: KeptAnswer | None = None
) -> list[Fact]:
    """Accept tasks, all or none. Raise Conflict when `keep`'s key was used meanwhile."""
    stages = [(task, stage) for task in tasks for stage in task.plan.new_stages]
    return _facts(
        database.run(
            _sql("submit"),
            {
                "created_at": at,
                "ids": [task.id for task in tasks],
                "project_ids": [task.project_id for task in tasks],
                "template_ids": [task.plan.template_id for task in tasks],
                "template_names": [task.plan.template.name for task in tasks],
                "template_versions": [task.plan.version for task in tasks],
                "priorities": [task.priority for task in tasks],
                "inputs": [Jsonb(task.input) for task in tasks],
                "requirements": [Jsonb(task.requirements) for task in tasks],
                "constraints": [Jsonb(task.constraints) for task in tasks],
                "labels": [Jsonb(task.labels) for task in tasks],
                "values_usd": [task.business_value_usd for task in tasks],
                "value_kinds": [task.business_value_kind for task in tasks],
                "requested_by": [task.requested_by for task in tasks],
                "requested_through": [task.requested_through for task in tasks],
                "correlation_ids": [task.correlation_id for task in tasks],
                "open_sinks": [len(task.plan.template.sinks) for task in tasks],
                "deadlines": [task.deadline_at for task in tasks],
                "stage_task_ids": [task.id for task, _ in stages],
                "stage_project_ids": [task.project_id for task, _ in stages],
                "stage_names": [stage.name for _, stage in stages],
                "stage_positions": [stage.position for _, stage in stages],
                "stage_queues": [str(stage.queue) for _, stage in stages],
                "stage_capabilities": [stage.capability for _, stage in stages],
                "stage_pending_needs": [stage.pending_needs for _, stage in stages],
                "stage_statuses": [str(stage.status) for _, stage in stages],
                "key_project_id": keep.project_id if keep else None,
                "key_route": keep.route if keep else None,
                "key": keep.key if keep else None,
                "key_hash": keep.request_hash if keep else None,
                "key_response": Jsonb(keep.response) if keep else None,
            },
        )
    )


def claim(database: Database, leases: Sequence[Lease]) -> list[dict[str, Any]]:
    """Ask for leases (at most one per stage); one row per lease, its columns as the end of sql/claim.sql says."""
    return database.run(
        _sql("claim"),
        {
            "task_ids": [lease.task_id for lease in leases],
            "stages": [lease.stage for lease in leases],
            "attempts": [lease.attempt for lease in leases],
            "leases": [lease.lease_id for lease in leases],
            "lease_s": [lease.seconds for lease in leases],
        },
        repeatable=True,  # the same lease again is granted again
    )


def complete(database: Database, outcomes: Sequence[Outcome]) -> list[Fact]:
    """Carry out the decisions on leased attempts and return what happened, in order."""
    releases = [(o.task_id, o.stage, name) for o in outcomes for name in o.decision.releases]
    decisions = [outcome.decision for outcome in outcomes]
    return _facts(
        database.run(
            _sql("complete"),
            {
                "task_ids": [outcome.task_id for outcome in outcomes],
                "stages": [outcome.stage for outcome in outcomes],
                "leases": [outcome.lease_id for outcome in outcomes],
                "statuses": [str(decision.status) for decision in decisions],
                "outputs": [_json(decision.output) for decision in decisions],
                "errors": [_json(decision.error) for decision in decisions],
                "delays_s": [decision.retry_delay_s for decision in decisions],
                "fails_task": [decision.fails_task for decision in decisions],
                "ends_sink": [decision.ends_sink for decision in decisions],
                "gives_output": [decision.gives_task_output for decision in decisions],
                "agent_ids": [outcome.agent_id for outcome in outcomes],
                "agent_names": [outcome.agent_name for outcome in outcomes],
                "models": [outcome.model for outcome in outcomes],
                "costs": [outcome.cost_usd for outcome in outcomes],
                "tokens": [outcome.tokens for outcome in outcomes],
                "qualities": [outcome.quality for outcome in outcomes],
                "release_task_ids": [release[0] for release in releases],
                "release_stages": [release[1] for release in releases],
                "release_dependants": [release[2] for release in releases],
            },
        )
    )


def stop(
    database: Database, task_ids: Sequence[UUID], *, status: str, errors: Sequence[dict[str, Any] | None]
) -> list[Fact]:
    """End open tasks from outside as `cancelled` or `failed`; tasks that have ended stay as they are."""
    return _facts(
        database.run(
            _sql("stop"),
            {"task_ids": list(task_ids), "status": status, "errors": [_json(error) for error in errors]},
        )
    )


def stranded(database: Database, *, older_than_s: float, limit: int) -> list[dict[str, Any]]:
    """Return open stages whose message may be lost, and those of tasks past their deadline."""
    return database.run(_sql("stranded"), {"older_than_s": older_than_s, "limit": limit})


def any_open(database: Database) -> bool:
    """Say whether any task has not ended."""
    statement = """
        SELECT EXISTS (SELECT FROM task_histories
                       WHERE status IN ('pending', 'running', 'awaiting', 'retrying')) AS open"""
    return bool(database.run(statement)[0]["open"])


def ready_stages(database: Database, task_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return the stages of these tasks that wait for a worker: task_id, stage, queue, attempt, priority, delay_s."""
    statement = """
        SELECT s.task_id, s.name AS stage, s.queue, s.attempt, t.priority,
               greatest(0, extract(epoch FROM s.ready_at - clock_timestamp()))::float8 AS delay_s
        FROM task_stages s JOIN task_histories t ON t.id = s.task_id
        WHERE s.task_id = ANY(%(task_ids)s) AND s.status = 'ready'"""
    return database.run(statement, {"task_ids": list(task_ids)})


def facts(database: Database, task_id: UUID, *, after: int = 0) -> list[Fact]:
    """Return a task's log after line `after`, oldest first."""
    statement = """
        SELECT id, task_id, project_id, stage, event, attempt, detail, created_at FROM task_stage_logs
        WHERE task_id = %(task_id)s AND id > %(after)s
        ORDER BY id"""
    return _facts(database.run(statement, {"task_id": task_id, "after": after}))


def task(database: Database, task_id: UUID) -> dict[str, Any] | None:
    """Return one task with its stages (a list under `stages`, in template order), or None."""
    statement = """
        SELECT t.id, p.slug AS project, t.template_id,
               t.template_name AS template, t.template_version, t.orchestrator, t.status,
               t.priority, t.input, t.output, t.error, t.requirements, t.constraints, t.labels,
               t.business_value_usd, t.business_value_kind, t.requested_by, t.requested_through, t.correlation_id,
               t.quality_score, t.cost_usd, t.tokens, t.deadline_at, t.started_at, t.finished_at, t.created_at,
               t.updated_at,
               (SELECT jsonb_agg(jsonb_build_object(
                  'name', s.name, 'queue', s.queue, 'capability', s.capability, 'status', s.status,
                  'attempt', s.attempt, 'agent', s.agent_name, 'model', s.model, 'error', s.error,
                  'cost_usd', s.cost_usd::text, 'tokens', s.tokens, 'pending_needs', s.pending_needs,
                  'ready_at', s.ready_at, 'started_at', s.started_at, 'finished_at', s.finished_at,
                  'duration_ms', (extract(epoch FROM s.finished_at - s.started_at) * 1000)::int)
                  ORDER BY s.position)
                FROM task_stages s WHERE s.task_id = t.id) AS stages
        FROM task_histories t JOIN projects p ON p.id = t.project_id
        WHERE t.id = %(task_id)s"""
    rows = database.run(statement, {"task_id": task_id})
    return rows[0] if rows else None


def page(
    database: Database, project_id: UUID, *, filters: dict[str, Any], before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` tasks of a project, newest first, older than `before`.

    `filters`: status, template, priority (exact), labels (contained), created_after, created_before (times).
    """
    conditions = {
        "status": "t.status = %(status)s",
        "template": "t.template_name = %(template)s",
        "priority": "t.priority = %(priority)s",
        "labels": "t.labels @> %(labels)s",
        "created_after": "t.id >= first_id_at(greatest(%(created_after)s, timestamptz 'epoch'))",
        "created_before": "t.id < first_id_at(greatest(%(created_before)s, timestamptz 'epoch'))",
    }
    used = {name: value for name, value in filters.items() if value is not None}
    where = " AND ".join(["t.project_id = %(project_id)s", *(conditions[name] for name in used)])
    if before is not None:
        where += " AND t.id < %(before)s"
    statement = f"""
        SELECT t.id, t.template_name AS template, t.template_version, t.status, t.priority, t.labels, t.quality_score,
               t.cost_usd, t.tokens, t.deadline_at, t.created_at, t.started_at, t.finished_at, t.updated_at
        FROM task_histories t WHERE {where} ORDER BY t.id DESC LIMIT %(limit)s"""  # noqa: S608 - fixed words only
    values = {name: Jsonb(value) if name == "labels" else value for name, value in used.items()}
    return database.run(statement, {"project_id": project_id, "before": before, "limit": limit, **values})


def _facts(rows: list[dict[str, Any]]) -> list[Fact]:
    return sorted((Fact(**row) for row in rows), key=lambda fact: fact.id)


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)
