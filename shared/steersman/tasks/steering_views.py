"""Approvals, pauses and changes of tasks as the API shows and takes them."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from steersman.http.fields import Body, Moment, ProjectSlug
from steersman.tasks.words import TaskStatus

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
PauseScope = Literal["template", "queue"]


class ApprovalAnswer(Body):
    """Yes or no, with what else was asked for."""

    approved: bool
    answer: dict[str, Any] = Field(
        default={}, description="What the stage's answer_schema asks for", repr=False
    )
    comment: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        default=None, repr=False
    )


class ApprovalView(BaseModel):
    """A stage that waits for an answer."""

    task_id: UUID
    stage: str
    template: str
    template_version: int
    labels: dict[str, str]
    ask: str
    by: list[str] = Field(description="Patterns of who may answer now; none: anybody")
    answer_schema: dict[str, Any] | None
    awaited_at: Moment
    until: Moment | None = Field(description="When others are asked, or the default holds")


class ApprovalPage(BaseModel):
    """What waits for an answer, oldest tasks first; `next_cursor` is null on the last page."""

    approvals: list[ApprovalView]
    next_cursor: str | None


class PauseReason(Body):
    """Why it is paused."""

    reason: Reason | None = None


class PauseOrder(Body):
    """A template or a queue of a project that is to stand still."""

    project: ProjectSlug = "default"
    scope: PauseScope
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    reason: Reason | None = None


class PauseView(BaseModel):
    """What is paused, since when, by whom and why."""

    scope: PauseScope
    name: str
    by: str
    reason: str | None
    created_at: Moment


class PausesView(BaseModel):
    """What is paused in a project."""

    pauses: list[PauseView]


class Limits(Body):
    """New limits; what is left out stays."""

    deadline_s: float | None = Field(
        default=None, ge=1, le=31_536_000, description="From the task's creation"
    )
    budget_usd: Decimal | None = Field(default=None, gt=0, max_digits=14, decimal_places=6)
    budget_tokens: int | None = Field(default=None, ge=1, le=10**12)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("name at least one limit that is to change")
        return self


class TaskChange(Body):
    """What is to change of an open task."""

    constraints: Limits


class StartedTask(BaseModel):
    """A task that a stage started, and what it came to."""

    id: UUID
    item: int
    status: TaskStatus
    output: dict[str, Any] | None
    error: dict[str, Any] | None
    cost_usd: Decimal
    tokens: int
    started_at: Moment | None
    finished_at: Moment | None


class StartedTaskPage(BaseModel):
    """Tasks that a stage started, by item; `next_cursor` is null on the last page."""

    tasks: list[StartedTask]
    next_cursor: str | None
