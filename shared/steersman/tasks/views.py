"""Tasks, templates and events as the API shows and takes them."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from steersman.http.fields import Body, Label, LabelValue, Moment, ProjectSlug
from steersman.http.problem import ProblemField
from steersman.tasks.stage_kinds import TemplateName
from steersman.tasks.template import MAX_STAGES, Capability, StageName, Template
from steersman.tasks.words import Priority, StageKind, StageStatus, TaskStatus

MAX_BATCH = 1000
MAX_WAIT_S = 25.0  # an HTTP API ends a request at 30 s

Included = Literal["output"]


class Constraints(Body):
    """Limits of one task."""

    deadline_s: float | None = Field(
        default=None, ge=1, le=31_536_000, description="Instead of the template's"
    )
    budget_usd: Decimal | None = Field(default=None, gt=0, max_digits=14, decimal_places=6)
    budget_tokens: int | None = Field(default=None, ge=1, le=10**12)


class BusinessValue(Body):
    """What the task is worth to its requester."""

    usd: Decimal = Field(ge=0, max_digits=14, decimal_places=2)
    kind: Literal["revenue", "cost_saving", "risk_reduction", "time_saving", "customer_value", "other"] = (
        "other"
    )


class TaskSubmission(Body):
    """A task to do: `template` on `input`."""

    template: TemplateName = "standard_query"
    template_version: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Default: the newest")
    input: dict[str, Any] = Field(repr=False)  # a library's debug log shows bodies as their `repr`
    project: ProjectSlug = "default"
    priority: Priority = Priority.MEDIUM
    requirements: list[Capability] = Field(
        default=[], max_length=50, description="Capabilities that some agent must have"
    )
    constraints: Constraints = Field(default_factory=Constraints)
    labels: dict[Label, LabelValue] = Field(default={}, max_length=50)
    business_value: BusinessValue | None = None


class TaskBatch(Body):
    """Up to 1,000 tasks, accepted all or none."""

    tasks: list[TaskSubmission] = Field(min_length=1, max_length=MAX_BATCH, repr=False)


class Cancellation(Body):
    """Why a task is cancelled."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None


class Rerun(Body):
    """From which stages a task that has ended runs again."""

    from_stages: list[StageName] = Field(
        alias="from",
        min_length=1,
        max_length=MAX_STAGES,
        description="They, what comes after them and what did not end well begin anew; all else keeps its result",
    )


class Cloning(Body):
    """What of a clone differs from the task that it is made of."""

    input: dict[str, Any] | None = Field(default=None, repr=False)
    priority: Priority | None = None
    labels: dict[Label, LabelValue] | None = Field(default=None, max_length=50)
    template_version: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="Default: the task's own"
    )


class TaskResumed(BaseModel):
    """A task that runs again, and its stages that begin anew."""

    id: UUID
    status: TaskStatus
    stages: list[str]


class TaskAccepted(BaseModel):
    """A task that will end in a final state."""

    id: UUID
    status: TaskStatus
    project: str
    template: str
    template_version: int
    correlation_id: str
    created_at: Moment
    deadline_at: Moment


class BatchAccepted(BaseModel):
    """The accepted tasks, in the order of the request."""

    tasks: list[TaskAccepted]


class StartedTasks(BaseModel):
    """How many tasks a stage started, how many of them are open, and how many failed or were cancelled."""

    started: int
    open: int
    failed: int


class StageView(BaseModel):
    """One stage of a task."""

    name: str
    queue: str
    capability: str
    status: StageStatus
    attempt: int
    needs: list[str]
    agent: str | None
    model: str | None
    error: dict[str, Any] | None
    cost_usd: Decimal
    tokens: int
    ready_at: Moment | None
    next_attempt_at: Moment | None = Field(
        default=None,
        description="When a stage whose last attempt failed (`error` says why) is tried again; null when none waits",
    )
    waiting_for: str | None = Field(
        default=None,
        description="The limit that a ready stage waits for: `project`, or `agent:<name>`; null when there is none",
    )
    started_at: Moment | None
    finished_at: Moment | None
    duration_ms: int | None
    kind: StageKind = StageKind.AGENT
    awaited_at: Moment | None = Field(default=None, description="Since when it waits for an answer or a time")
    awaits_until: Moment | None = Field(
        default=None, description="When it goes on, or asks others, by itself"
    )
    tasks: StartedTasks | None = Field(
        default=None, description="The tasks that a fan-out or nested task started"
    )
    undoes: str | None = Field(default=None, description="The stage that this one undoes")


class TaskSummary(BaseModel):
    """A task in a list."""

    id: UUID
    template: str
    template_version: int
    status: TaskStatus
    priority: Priority
    labels: dict[str, str]
    quality_score: float | None
    cost_usd: Decimal
    tokens: int
    deadline_at: Moment | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    updated_at: Moment


class TaskWithOutput(TaskSummary):
    """A task in a list that includes outputs: both null while it is open, `error` where it did not complete."""

    output: dict[str, Any] | None
    error: dict[str, Any] | None


class TaskView(TaskWithOutput):
    """A task with its stages, in template order, and its output."""

    project: str
    orchestrator: str
    input: dict[str, Any]
    requirements: list[str]
    constraints: dict[str, Any]
    business_value_usd: Decimal | None
    business_value_kind: str | None
    requested_by: str
    requested_through: str
    correlation_id: str
    parent_task_id: UUID | None = Field(default=None, description="The task that started this one")
    parent_stage: str | None = None
    item: int | None = Field(default=None, description="Which item of a fan-out it is, from 0")
    paused: dict[str, Any] | None = Field(default=None, description="at, by and reason, while it is paused")
    failing: dict[str, Any] | None = Field(
        default=None, description="Why the task fails, while what it did is undone"
    )
    cloned_from: UUID | None = Field(default=None, description="The task that this one is a clone of")
    stages: list[StageView]


class TaskPage(BaseModel):
    """Tasks, newest first; `next_cursor` is null on the last page."""

    tasks: list[Annotated[TaskWithOutput | TaskSummary, Field(union_mode="left_to_right")]]
    next_cursor: str | None


class CloudEvent(BaseModel):
    """An event in CloudEvents 1.0 form; `id` is the deduplication key."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    data: dict[str, Any]


class EventPage(BaseModel):
    """Events in order. Ask again with `after` set to `cursor`; `ended` says that none will follow.

    After a loss of the cache events may come again: tell them apart by `id`.
    """

    events: list[CloudEvent]
    cursor: str
    ended: bool


class TemplatePublication(Body):
    """A template to publish as the next version of its name."""

    project: ProjectSlug = "default"
    template: dict[str, Any] = Field(description="A template: see docs/templates.md; checked as a whole")
    validate_only: bool = Field(
        default=False, description="Say what is wrong, and what publishing would mean; publish nothing"
    )


class TemplateView(BaseModel):
    """One version of a template."""

    name: str
    version: int
    created_by: str
    created_at: Moment
    template: Template


class TemplateChange(BaseModel):
    """One difference between two versions: of the template itself (`stage` null), a stage's field, or a whole stage."""

    kind: Literal["added", "removed", "changed"]
    stage: str | None
    field: str | None
    before: Any
    after: Any


class TemplateDiff(BaseModel):
    """What differs between two versions of a template, and how many tasks are open on each version of it.

    Those tasks end on the version that they began with.
    """

    name: str
    before: int
    after: int
    changes: list[TemplateChange]
    open_tasks: dict[int, int] = Field(description="Version -> open tasks, for versions that have any")


class OpenTasks(BaseModel):
    """How many tasks are open on a version, by their status. They end on it."""

    version: int
    pending: int
    running: int
    awaiting: int
    retrying: int


class AffectedSchedule(BaseModel):
    """A schedule of a template. `faults` are what its stored input breaks of the new `input_schema`."""

    id: UUID
    name: str
    template_version: int | None
    paused: bool
    next_at: Moment | None
    faults: list[ProblemField]


class NestedUse(BaseModel):
    """A stage that starts the template as a task of its own, in the newest version of its template."""

    template: str
    version: int
    stage: str


class TemplateReport(BaseModel):
    """What publishing the template would mean. Nothing has been published."""

    newest: int = Field(description="The version that it would follow, and is compared with")
    changes: list[TemplateChange]
    open_tasks: list[OpenTasks] = Field(description="Tasks that would stay on their versions")
    following: list[AffectedSchedule] = Field(description="Schedules that would run the new version")
    pinned: list[AffectedSchedule] = Field(description="Schedules that would stay on their versions")
    schedules_not_shown: int = Field(description="How many more schedules there are, behind the first 200")
    nested_in: list[NestedUse]


class TemplatePublished(BaseModel):
    """The version that now is the newest. `published` is false when nothing was added: the text was there, or
    only validation was asked for (`version` is then null).
    """

    name: str
    version: int | None
    published: bool
    report: TemplateReport | None = Field(
        default=None, description="With validate_only, where the template has a version already"
    )


class TemplatePage(BaseModel):
    """The newest version of each template, by name."""

    templates: list[TemplateView]
    next_cursor: str | None
