"""What is known of a run, as plain data: what the product says happened, and what independent witnesses saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from steersman.tasks.planner import Plan

ENDS = {"completed", "failed", "cancelled"}
STAGE_ENDS = {"completed", "failed", "skipped", "cancelled"}


@dataclass(frozen=True)
class Finding:
    """A promise that was broken: in which task (or request), which rule, and what shows it."""

    subject: str
    rule: str
    evidence: str


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A row of task_histories. `schedule_id` and `due_at` say of which schedule's time it is the task."""

    id: UUID
    status: str
    input: Mapping[str, Any]
    output: Mapping[str, Any] | None
    labels: Mapping[str, str]
    open_sinks: int
    cost_usd: Decimal
    tokens: int
    finished: bool
    template: str = ""
    parent_task_id: UUID | None = None
    parent_stage: str | None = None
    parent_attempt: int | None = None
    item: int | None = None
    project: str = "default"
    schedule_id: UUID | None = None
    due_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """A row of task_stages."""

    name: str
    status: str
    attempt: int
    pending_needs: int
    output: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    cost_usd: Decimal
    tokens: int
    children: int | None = None
    answer: Mapping[str, Any] | None = None
    finished_at: float | None = None


@dataclass(frozen=True)
class Line:
    """A row of task_events: one event of the log; `at` in seconds since 1970."""

    id: int
    stage: str | None
    event: str
    attempt: int | None
    detail: Mapping[str, Any] = field(default_factory=dict)
    agent: bool = False
    at: float = 0.0

    def __str__(self) -> str:
        return (
            f"#{self.id} {self.event} {self.stage or ''}{f' attempt {self.attempt}' if self.attempt else ''}"
        )


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a row's state as the trigger saw it, in the order of `number`; `stage` None: of the task.

    `lease_left_s` says how long the lease that was held before the change still had to run; `started` is the id that
    its start has in the log, should it get there.
    """

    number: int
    transaction: int
    stage: str | None
    before: str | None
    after: str
    lease_before: UUID | None = None
    lease_after: UUID | None = None
    lease_left_s: float | None = None
    started: int | None = None

    @property
    def takes_over(self) -> bool:
        """Say whether one holder of a lease gave way to another."""
        held_on = self.before == self.after == "running" and self.lease_after is not None
        return held_on and self.lease_before != self.lease_after


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What an agent wrote down of one job: `answer` is None when its process died before it answered.

    `seen_items` are the items of a fan-out before it whose outputs it was given; times are seconds since 1970.
    """

    task_id: UUID
    stage: str
    attempt: int
    process: str
    answer: str | None = None
    output: Mapping[str, Any] | None = None
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    seen_items: Sequence[int] | None = None
    agent: str = ""
    began_at: float = 0.0
    answered_at: float | None = None


@dataclass(frozen=True)
class Event:
    """An event as a follower gets it: `line` is the id of the log line that it tells of."""

    line: int
    event: str
    stage: str | None
    attempt: int | None


@dataclass(frozen=True)
class Answer:
    """What a follower was told at once: ids of events, in their order, and whether that was all."""

    ids: Sequence[str]
    ended: bool


@dataclass(frozen=True, kw_only=True)
class Follow:
    """A task followed by its cursors while the run went on, by one process after the other.

    `taken_up` counts those processes, `refused` the answers that said to come back; `calm` says that a process of the
    calm was among them: those are not killed, and ask until they are told the end.
    """

    name: str
    task_id: UUID
    answers: Sequence[Answer]
    taken_up: int = 1
    refused: int = 0
    calm: bool = False

    @property
    def ended(self) -> bool:
        return any(answer.ended for answer in self.answers)

    @property
    def seen(self) -> set[str]:
        return {one for answer in self.answers for one in answer.ids}


@dataclass(frozen=True, kw_only=True)
class TaskHistory:
    """One task: its rows, its log, what witnesses saw, what followers were told meanwhile, and readers in the end.

    `letters` are the messages of its dead letters (stage, attempt), `kept_letters` their rows.
    """

    row: TaskRow
    plan: Plan
    stages: Mapping[str, StageRow]
    log: Sequence[Line]
    changes: Sequence[Change]
    executions: Sequence[Execution]
    events: Sequence[Event]
    events_ended: bool
    shown: Mapping[str, Any]
    letters: Sequence[tuple[str, int]]
    kept_letters: Sequence[tuple[str, int]] = ()
    follows: Sequence[Follow] = ()

    @property
    def subject(self) -> str:
        return str(self.row.id)

    @property
    def spread(self) -> set[str | None]:
        """Return the stages that started tasks, in any run."""
        return {line.stage for line in self.log if line.event == "stage.spread"}

    @property
    def reruns(self) -> Sequence[Line]:
        """Return the lines that say that the task ran again."""
        return [line for line in self.log if line.event == "task.rerun"]


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One answered request to submit: its key, how many tasks it asked for (their numbers), what was answered."""

    key: str
    numbers: Sequence[int]
    task_ids: Sequence[UUID]


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """One answered request to cancel: the HTTP status and the task's status in the answer."""

    task_id: UUID
    http_status: int
    task_status: str | None


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an operator asked for: raise, answer, cancel, pause or resume; of a task, or of a template or queue; or
    the limits of a project; a schedule to be made, changed or run; a task to run again, be redriven or cloned.

    Without `status` nobody knows whether it had an effect. `made` is the task that the answer named. Times are
    seconds since 1970.
    """

    what: str
    asked_at: float
    answered_at: float | None = None
    status: int | None = None
    task_status: str | None = None
    task_id: UUID | None = None
    stage: str | None = None
    scope: str | None = None
    name: str | None = None
    key: str | None = None
    approved: bool | None = None
    made: UUID | None = None
    limits: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ScheduleStep:
    """A change of a schedule's row as the trigger saw it: it stood at `due_at`, None before it was made.

    `last_at`, `skipped_at` and `refused_at` say for which of its times it made a task, made none, was refused one.
    """

    at: float
    due_at: float | None
    next_at: float
    was_paused: bool
    paused: bool
    rate: str
    rate_before: str | None
    overlap: str
    catch_up: str
    last_at: float | None = None
    skipped_at: float | None = None
    refused_at: float | None = None
    last_task_id: UUID | None = None

    @property
    def moves(self) -> bool:
        """Say whether the schedule goes from one of its times to another one."""
        return self.due_at is not None and self.due_at != self.next_at


@dataclass(frozen=True)
class Incident:
    """Something that was done to a server, or a day's end, and when: seconds since 1970."""

    kind: str
    since: float
    until: float


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the run was begun with: what may be at work at once (by project and by agent), and the product's times."""

    stages_of: Mapping[str, int] = field(default_factory=dict)
    calls_of: Mapping[str, int] = field(default_factory=dict)
    lease_s: float = 90.0
    known_s: float = 10.0
    minute_s: float = 60.0
    missed_s: float = 150.0


@dataclass(frozen=True, kw_only=True)
class RunHistory:
    """The whole run. `planned` are the numbers of all tasks that were to be submitted; `measured` sums the rows of
    agent_performance (calls, failures, cost_usd, tokens); `raised` counts what handlers raised, by what it was.
    """

    tasks: Sequence[TaskHistory]
    planned: frozenset[int]
    submissions: Sequence[Submission]
    cancels: Sequence[Cancel]
    measured: Mapping[str, Decimal]
    raised: Mapping[str, int]
    orders: Sequence[Order] = ()
    schedules: Mapping[UUID, Sequence[ScheduleStep]] = field(default_factory=dict)
    incidents: Sequence[Incident] = ()
    terms: Terms = field(default_factory=Terms)
