"""Rules on tasks that are undone: what undid, after whom, in which order."""

from collections.abc import Iterator
from itertools import pairwise

from bench.chaos.history import StageRow, TaskHistory

Wrong = tuple[str, str]


def undone_what_completed(task: TaskHistory) -> Iterator[Wrong]:
    """Stages that undo are there for exactly those that completed, and only of a task that was undone."""
    began = any(line.event == "task.undoing" for line in task.log)
    for name, undone in task.plan.template.undoes.items():
        due = began and task.stages[undone].status == "completed"
        if due != (name in task.stages):
            state = f"{undone} is {task.stages[undone].status}"
            has = "there is" if name in task.stages else "there is no"
            yield "what completed is undone, nothing else", f"{has} {name}, and {state}"


def undone_in_reverse(task: TaskHistory) -> Iterator[Wrong]:
    """What completed last is undone first, each when the one before has ended."""
    undoes = task.plan.template.undoes
    began = {line.stage: line.id for line in reversed(task.log) if line.event == "stage.started"}
    ran = sorted((name for name in undoes if name in began), key=lambda name: began[name])
    completed = [_ended(task.stages.get(undoes[name])) for name in ran]
    if any(before < after for before, after in pairwise(completed)):
        told = ", ".join(
            f"{name} ({undoes[name]} at {at:.6f})" for name, at in zip(ran, completed, strict=True)
        )
        yield "undone in reverse order", f"it was undone by {told}"


def _ended(stage: StageRow | None) -> float:
    return (stage.finished_at if stage else None) or 0.0


RULES = (undone_what_completed, undone_in_reverse)
