"""Schedules as the API shows and takes them."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from steersman.http.fields import Body, Label, LabelValue, Moment, ProjectSlug
from steersman.http.problem import ProblemField
from steersman.tasks.schedule_times import CatchUp, Overlap
from steersman.tasks.stage_kinds import TemplateName
from steersman.tasks.views import Constraints
from steersman.tasks.words import Priority

ScheduleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Expression = Annotated[str, StringConstraints(max_length=200)]
TimeZone = Annotated[str, StringConstraints(max_length=64)]
Labels = Annotated[dict[Label, LabelValue], Field(max_length=50)]


class ScheduleCreation(Body):
    """A schedule: `template` on `input`, at the times of `cron` in `timezone`, or of `rate`."""

    name: ScheduleName
    project: ProjectSlug = "default"
    template: TemplateName
    template_version: Version | None = Field(default=None, description="Default: the newest at each time")
    input: dict[str, Any] = Field(repr=False)
    priority: Priority = Priority.MEDIUM
    labels: Labels = Field(default={})
    constraints: Constraints = Field(default_factory=Constraints)
    cron: Expression | None = Field(
        default=None, description="Minute, hour, day of the month, month, day of the week; this or `rate`"
    )
    rate: Expression | None = Field(default=None, description="As in '15 minutes', '1 hour', '7 days'")
    timezone: TimeZone = Field(default="UTC", description="The IANA time zone whose clocks `cron` is read on")
    paused: bool = False
    overlap: Overlap = Field(
        default=Overlap.ALLOW, description="`skip` leaves a time out while the last task is open"
    )
    catch_up: CatchUp = Field(
        default=CatchUp.ONE,
        description="What several times that passed unseen make together: one task or none",
    )


class ScheduleChange(Body):
    """What to change of a schedule: what is not named stays."""

    template: TemplateName | None = None
    template_version: Version | None = Field(default=None, description="null: the newest at each time")
    input: dict[str, Any] | None = Field(default=None, repr=False)
    priority: Priority | None = None
    labels: Labels | None = None
    constraints: Constraints | None = None
    cron: Expression | None = Field(
        default=None, description="Instead of the cron expression or rate there is"
    )
    rate: Expression | None = Field(
        default=None, description="Instead of the cron expression or rate there is"
    )
    timezone: TimeZone | None = None
    paused: bool | None = Field(default=None, description="true pauses it, false resumes it")
    overlap: Overlap | None = None
    catch_up: CatchUp | None = None


class ScheduleError(BaseModel):
    """Why a schedule could not make the task of a time."""

    due_at: Moment
    code: str
    message: str
    errors: list[ProblemField]


class ScheduleSkip(BaseModel):
    """A time for which a schedule made no task, and why."""

    due_at: Moment
    reason: str


class ScheduleSummary(BaseModel):
    """A schedule in a list. `next_at` is null while it is paused."""

    id: UUID
    project: str
    name: str
    template: str
    template_version: int | None
    priority: Priority
    cron: str | None
    rate: str | None
    timezone: str
    paused: bool
    overlap: Overlap
    catch_up: CatchUp
    next_at: Moment | None
    last_at: Moment | None = Field(description="The time for which it made its last task")
    last_task_id: UUID | None
    last_error: ScheduleError | None = Field(description="Null again after the next task that was made")
    last_skip: ScheduleSkip | None
    created_by: str
    created_at: Moment
    updated_at: Moment


class ScheduleView(ScheduleSummary):
    """A schedule with what its tasks are made of, and its next five times (none while it is paused)."""

    input: dict[str, Any]
    labels: dict[str, str]
    constraints: dict[str, Any]
    next_times: list[Moment]


class SchedulePage(BaseModel):
    """Schedules by name; `next_cursor` is null on the last page."""

    schedules: list[ScheduleSummary]
    next_cursor: str | None
