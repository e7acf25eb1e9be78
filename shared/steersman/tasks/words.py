"""The words of a task's life, as enums, and what may follow what."""

from enum import StrEnum


class TaskStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    AWAITING = "awaiting"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return not TASK_TRANSITIONS[self]


class StageStatus(StrEnum):
    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    AWAITING = "awaiting"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return not STAGE_TRANSITIONS[self]


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    EMERGENCY = "emergency"


class Lane(StrEnum):
    URGENT = "urgent"
    STANDARD = "standard"
    BULK = "bulk"


class Queue(StrEnum):
    """The stage queues; one function serves each."""

    INTENT = "intent"
    EMBEDDING = "embedding"
    WEBSEARCH = "websearch"
    EXECUTOR = "executor"
    MODERATOR = "moderator"
    RESPONSES = "responses"
    AGENT = "agent"


class StageKind(StrEnum):
    """What a stage is: a job for an agent, a task of its own, a question to a person, a pause."""

    AGENT = "agent"
    TASK = "task"
    APPROVAL = "approval"
    WAIT = "wait"


class OnError(StrEnum):
    FAIL = "fail"
    SKIP = "skip"
    FALLBACK = "fallback"


class FailureKind(StrEnum):
    """Kinds of failures that a stage may try again by rules of their own."""

    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    PERMANENT = "permanent"


class Orchestrator(StrEnum):
    QUEUE = "queue"
    STEP_FUNCTIONS = "step_functions"


class LetterStatus(StrEnum):
    """What became of a dead letter."""

    OPEN = "open"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


class Resumption(StrEnum):
    """Why a task that had ended runs again."""

    REDRIVE = "redrive"
    RERUN = "rerun"


# Of one run: a task that has ended begins another only when a person has it run again (rerun.sql).
TASK_TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset(
        {TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}
    ),
    TaskStatus.RUNNING: frozenset(
        {
            TaskStatus.AWAITING,
            TaskStatus.RETRYING,
            TaskStatus.COMPLETED,
            TaskStatus.FAILED,
            TaskStatus.CANCELLED,
        }
    ),
    TaskStatus.AWAITING: frozenset({TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.CANCELLED}),
    TaskStatus.RETRYING: frozenset(
        {TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}
    ),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
}

STAGE_TRANSITIONS: dict[StageStatus, frozenset[StageStatus]] = {
    StageStatus.PENDING: frozenset({StageStatus.READY, StageStatus.CANCELLED}),
    StageStatus.READY: frozenset({StageStatus.RUNNING, StageStatus.CANCELLED}),
    StageStatus.RUNNING: frozenset(
        {
            StageStatus.READY,  # a retry, or a lease that was lost
            StageStatus.AWAITING,
            StageStatus.COMPLETED,
            StageStatus.FAILED,
            StageStatus.SKIPPED,
            StageStatus.CANCELLED,
        }
    ),
    StageStatus.AWAITING: frozenset(
        {
            StageStatus.READY,  # it was answered, or its task's budget raised
            StageStatus.RUNNING,  # its time has come
            StageStatus.CANCELLED,
        }
    ),
    StageStatus.COMPLETED: frozenset(),
    StageStatus.FAILED: frozenset(),
    StageStatus.SKIPPED: frozenset(),
    StageStatus.CANCELLED: frozenset(),
}

_LANES = {
    Priority.LOW: Lane.BULK,
    Priority.MEDIUM: Lane.STANDARD,
    Priority.HIGH: Lane.URGENT,
    Priority.CRITICAL: Lane.URGENT,
    Priority.EMERGENCY: Lane.URGENT,
}


def lane_for(priority: Priority, lanes: tuple[Lane, ...]) -> Lane:
    """Return the lane that work of `priority` takes where only `lanes` exist (at least one)."""
    wanted = _LANES[priority]
    if wanted in lanes:
        return wanted
    return Lane.STANDARD if Lane.STANDARD in lanes else lanes[0]
