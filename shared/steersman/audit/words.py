"""The words of audit entries: what people and agents change."""

from enum import StrEnum


class Action(StrEnum):
    APPROVAL_ANSWERED = "approval.answered"
    PROJECT_LIMITS_SET = "project.limits_set"
    QUEUE_PAUSED = "queue.paused"
    QUEUE_RESUMED = "queue.resumed"
    SCHEDULE_CHANGED = "schedule.changed"
    SCHEDULE_CREATED = "schedule.created"
    SCHEDULE_DELETED = "schedule.deleted"
    SCHEDULE_RUN = "schedule.run"
    TASK_CANCELLED = "task.cancelled"
    TASK_CHANGED = "task.changed"
    TASK_CLONED = "task.cloned"
    TASK_PAUSED = "task.paused"
    TASK_REDRIVEN = "task.redriven"
    TASK_RERUN = "task.rerun"
    TASK_RESUMED = "task.resumed"
    TEMPLATE_PAUSED = "template.paused"
    TEMPLATE_PUBLISHED = "template.published"
    TEMPLATE_RESUMED = "template.resumed"
    LETTER_DISCARDED = "dead_letter.discarded"
    LETTERS_REDRIVEN = "dead_letters.redriven"


def task(task_id: object) -> str:
    """Return a task as the target of an entry."""
    return f"task/{task_id}"


def dead_letter(letter_id: object) -> str:
    """Return a dead letter as the target of an entry."""
    return f"dead_letter/{letter_id}"


def template(name: str) -> str:
    """Return a template, whatever its version, as the target of an entry."""
    return f"template/{name}"


def queue(name: str) -> str:
    """Return a queue of a project as the target of an entry."""
    return f"queue/{name}"


def schedule(schedule_id: object) -> str:
    """Return a schedule as the target of an entry."""
    return f"schedule/{schedule_id}"


def project(slug: str) -> str:
    """Return a project as the target of an entry about its limits, or many of its things."""
    return f"project/{slug}"
