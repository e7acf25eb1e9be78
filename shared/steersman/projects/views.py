"""Projects and their limits as the API shows and takes them."""

from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, Field

from steersman.http.fields import Body, Moment

MAX_RUNNING_STAGES = 100_000
MAX_TOKENS_PER_DAY = 10**15


class ProjectView(BaseModel):
    """A project: where people organise work."""

    id: UUID
    slug: str
    name: str
    created_at: Moment
    updated_at: Moment


class ProjectPage(BaseModel):
    """Projects, oldest first; `next_cursor` is null on the last page."""

    projects: list[ProjectView]
    next_cursor: str | None


class ProjectDay(BaseModel):
    """What a project has spent today (UTC), as its agents reported it and by their prices."""

    usd: Decimal
    tokens: int
    until: Moment = Field(description="When the day ends, and budgets begin anew")


class ProjectLimits(BaseModel):
    """What a project may have at once and spend in a day; who set it and when are null where nobody ever did."""

    project: str
    max_running_stages: int | None = Field(
        description="Stages at work at once; null: as many as there are workers"
    )
    usd_per_day: Decimal | None = Field(description="USD in a day (UTC); null: no budget")
    tokens_per_day: int | None = Field(description="Tokens in a day (UTC); null: no budget")
    today: ProjectDay
    waiting_stages: int = Field(
        description="Stages that wait because a budget of the day is spent; 10,000: these or more"
    )
    updated_by: str | None
    updated_at: Moment | None


class ProjectLimitsChange(Body):
    """The limits that a project is to have: all of them, whatever it had before."""

    max_running_stages: int | None = Field(
        ge=1, le=MAX_RUNNING_STAGES, description="Stages at work at once; null for no limit"
    )
    usd_per_day: Decimal | None = Field(
        default=None,
        gt=0,
        max_digits=14,
        decimal_places=6,
        description="USD in a day (UTC); null, or left out, for no budget",
    )
    tokens_per_day: int | None = Field(
        default=None,
        ge=1,
        le=MAX_TOKENS_PER_DAY,
        description="Tokens in a day (UTC); null, or left out, for no budget",
    )
