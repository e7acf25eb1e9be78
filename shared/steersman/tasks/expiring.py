"""The end of tasks whose deadline has passed, whether they run or wait."""

from collections.abc import Sequence
from uuid import UUID

from steersman.db.connection import Database
from steersman.tasks import task_store, undo_store
from steersman.tasks.log_store import Fact
from steersman.tasks.planner import DeadlinePassed, describe
from steersman.tasks.plans import Plans
from steersman.tasks.words import TaskStatus


def expire(database: Database, plans: Plans, task_ids: Sequence[UUID]) -> list[Fact]:
    """Have open tasks fail, those first undone whose templates say how; return the facts."""
    error = describe(DeadlinePassed("the task's deadline has passed"))
    template_of = task_store.templates(database, task_ids)
    found = plans.of(template_of.values())
    undone = [task_id for task_id in template_of if found[template_of[task_id]].template.undoes]
    stopped = [task_id for task_id in task_ids if task_id not in set(undone)]
    facts: list[Fact] = []
    if undone:
        facts += undo_store.undo(database, [(task_id, error) for task_id in undone], found.values())
    if stopped:
        facts += task_store.stop(database, stopped, status=TaskStatus.FAILED, errors=[error] * len(stopped))
    return facts
