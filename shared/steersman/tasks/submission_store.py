"""The SQL of accepting tasks: a whole batch in one round trip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Database
from steersman.http.request import KeptAnswer
from steersman.tasks.named_sql import sql
from steersman.tasks.planner import Plan
from steersman.tasks.words import Priority


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


def submit(
    database: Database, tasks: Sequence[NewTask], *, at: datetime, keep: KeptAnswer | None = None
) -> None:
    """Accept tasks, all or none. Raise Conflict when `keep`'s key was used meanwhile."""
    plans = {task.plan.template_id.int: task.plan for task in tasks}  # few: a batch has few templates
    stages = [(plan, stage) for plan in plans.values() for stage in plan.new_stages]
    database.tuples(
        sql("submit"),
        {
            "created_at": at,
            "ids": ids(task.id for task in tasks),
            "project_ids": ids(task.project_id for task in tasks),
            "template_ids": ids(task.plan.template_id for task in tasks),
            "template_names": texts(task.plan.template.name for task in tasks),
            "template_versions": plain(task.plan.version for task in tasks),
            "orchestrators": plain(task.plan.orchestrator for task in tasks),
            "priorities": plain(task.priority for task in tasks),
            "inputs": documents(task.input for task in tasks),
            "requirements": documents(task.requirements for task in tasks),
            "constraints": documents(task.constraints for task in tasks),
            "labels": documents(task.labels for task in tasks),
            "values_usd": plain(task.business_value_usd for task in tasks),
            "value_kinds": texts(task.business_value_kind for task in tasks),
            "requested_by": texts(task.requested_by for task in tasks),
            "requested_through": texts(task.requested_through for task in tasks),
            "correlation_ids": texts(task.correlation_id for task in tasks),
            "open_sinks": plain(len(task.plan.template.sinks) for task in tasks),
            "deadlines": texts(task.deadline_at.isoformat() for task in tasks),
            "sources": texts(",".join(task.plan.sources) for task in tasks),
            "stage_template_ids": ids(plan.template_id for plan, _ in stages),
            "stage_names": plain(stage.name for _, stage in stages),
            "stage_positions": plain(stage.position for _, stage in stages),
            "stage_queues": plain(stage.queue for _, stage in stages),
            "stage_capabilities": texts(stage.capability for _, stage in stages),
            "stage_pending_needs": plain(stage.pending_needs for _, stage in stages),
            "stage_statuses": plain(stage.status for _, stage in stages),
            "key_project_id": keep.project_id if keep else None,
            "key_route": keep.route if keep else None,
            "key": keep.key if keep else None,
            "key_hash": keep.request_hash if keep else None,
            "key_response": Jsonb(keep.response) if keep else None,
        },
    )


def submit_with(
    database: Database,
    task: NewTask,
    also: Callable[[NewTask], None],
    *,
    at: datetime,
    keep: KeptAnswer | None = None,
) -> None:
    """Accept a task and do what goes with it (`also`) in the same transaction. Raise Conflict as `submit` does."""
    with database.transaction():
        submit(database, [task], at=at, keep=keep)
        also(task)


def note_clone(database: Database, task: NewTask, cloned_from: UUID) -> None:
    """Note of a task what it is a clone of, with its audit entry."""
    statement = "UPDATE task_histories SET cloned_from = %(origin)s WHERE id = %(id)s"
    database.run(statement, {"id": task.id, "origin": cloned_from})
    entry = Entry(
        project_id=task.project_id,
        by=task.requested_by,
        action=Action.TASK_CLONED,
        target=audit.task(cloned_from),
        detail={"clone": task.id},
    )
    audit_store.add(database, entry)
