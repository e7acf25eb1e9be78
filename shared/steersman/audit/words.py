"""The words of audit entries: what people and agents change."""

from enum import StrEnum


class Action(StrEnum):
    TASK_CANCELLED = "task.cancelled"
    TASK_CLONED = "task.cloned"
    TASK_REDRIVEN = "task.redriven"
    TASK_RERUN = "task.rerun"
    LETTER_DISCARDED = "dead_letter.discarded"
    LETTERS_REDRIVEN = "dead_letters.redriven"


def task(task_id: object) -> str:
    """Return a task as the target of an entry."""
    return f"task/{task_id}"


def dead_letter(letter_id: object) -> str:
    """Return a dead letter as the target of an entry."""
    return f"dead_letter/{letter_id}"


def project(slug: str) -> str:
    """Return a project as the target of an entry about many of its things."""
    return f"project/{slug}"
