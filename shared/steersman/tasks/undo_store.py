"""The SQL of undoing: a task that fails runs, in reverse order, the stages that undo what it did."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Database
from steersman.tasks import family_store
from steersman.tasks.log_store import Fact, facts_of
from steersman.tasks.named_sql import sql
from steersman.tasks.planner import Plan


def undo(
    database: Database, failed: Sequence[tuple[UUID, Mapping[str, Any]]], plans: Iterable[Plan]
) -> list[Fact]:
    """Have open tasks (id, error) of templates among `plans` fail, what completed of them undone first.

    Returns the facts; tasks that have ended, or are undone already, stay as they are.
    """
    known = {plan.template_id.int: plan for plan in plans}.values()
    steps = [
        (plan.template_id, undone, position, plan.stage(name))
        for plan in known
        for name, undone in plan.template.undoes.items()
        for position, stage in enumerate(plan.template.stages)
        if stage.name == name
    ]
    values = {
        "task_ids": ids(task_id for task_id, _ in failed),
        "errors": documents(error for _, error in failed),
        "template_ids": ids(step[0] for step in steps),
        "undone": texts(step[1] for step in steps),
        "names": texts(step[3].name for step in steps),
        "positions": plain(step[2] for step in steps),
        "queues": plain(step[3].queue for step in steps),
        "capabilities": texts(step[3].capability for step in steps),
    }
    task_ids = [task_id for task_id, _ in failed]
    return facts_of(family_store.locked(database, task_ids, lambda: database.tuples(sql("undo"), values)))
