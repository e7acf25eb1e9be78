"""Dead letters as the API shows and takes them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from steersman.http.fields import Body, Moment, ProjectSlug
from steersman.tasks.stage_kinds import TemplateName
from steersman.tasks.template import StageName
from steersman.tasks.words import LetterStatus

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
ErrorCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class DeadLetter(BaseModel):
    """A stage that failed for good, and what was decided about it."""

    id: UUID
    project: str
    task_id: UUID
    stage: str
    template: str
    template_version: int
    queue: str
    capability: str
    attempt: int = Field(description="The number of the attempt that failed")
    error: dict[str, Any]
    failed_at: Moment
    status: LetterStatus
    decided_by: str | None
    decided_at: Moment | None
    reason: str | None = Field(description="Why it was discarded")


class AttemptLine(BaseModel):
    """One event of a stage: which, of which attempt, when, and what there is to say of it."""

    event: str
    attempt: int | None
    at: Moment
    detail: dict[str, Any]


class DeadLetterContext(DeadLetter):
    """A dead letter with everything that its stage had: enough to say what went wrong, and to edit the input."""

    correlation_id: str
    input: dict[str, Any] = Field(
        description="What the stage was given: the task's input, or the one it was edited to"
    )
    input_edited: bool
    results: dict[str, Any] = Field(
        description="The earlier results that the stage saw, by stage; null of a skipped one"
    )
    results_left_out: list[str] = Field(description="Stages whose results the answer has no room for")
    lines: list[AttemptLine] = Field(
        description="The log of the stage, oldest first; of a long one its last 1,000 events"
    )


class DeadLetterPage(BaseModel):
    """Dead letters, newest first; `next_cursor` is null on the last page."""

    dead_letters: list[DeadLetter]
    next_cursor: str | None


class Redrive(Body):
    """A redrive of one letter: with another input for its stage, or with the same."""

    input: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="For this stage instead of the task's; the other stages keep theirs",
    )


class Discard(Body):
    """Why a letter is discarded."""

    reason: Reason


class Redrives(Body):
    """A redrive of all open letters that pass the filters, or a preview of it."""

    project: ProjectSlug = "default"
    stage: StageName | None = None
    template: TemplateName | None = None
    template_version: int | None = Field(default=None, ge=1, le=2**31 - 1)
    error: ErrorCode | None = Field(default=None, description="The code of the error")
    failed_after: datetime | None = None
    failed_before: datetime | None = None
    preview: bool = Field(default=True, description="Only say what would be redriven")
    expected: int | None = Field(
        default=None,
        ge=0,
        description="How many letters the preview counted; refused when there are more or fewer now",
    )
    rate_per_s: int = Field(default=50, ge=1, le=1000, description="How many tasks begin in a second")


class VersionCount(BaseModel):
    """How many letters there are of one version of a template."""

    template: str
    template_version: int
    letters: int


class ErrorCount(BaseModel):
    """How many letters there are of one error."""

    error: str
    letters: int


class RedrivesView(BaseModel):
    """What a redrive of many is about, and what it did: nothing yet in a preview.

    One call redrives up to 10,000 tasks, those first that failed first; `left` says how many letters still pass.
    """

    preview: bool
    letters: int = Field(description="How many open letters pass the filters")
    tasks: int = Field(description="Of how many tasks they are")
    by_version: list[VersionCount]
    by_error: list[ErrorCount]
    estimated_cost_usd: Decimal = Field(
        description="What doing their stages again usually costs, by the average call of each capability"
    )
    seconds: float = Field(description="How long it takes until the last of them begins")
    redriven_letters: int
    redriven_tasks: int
    left: int
