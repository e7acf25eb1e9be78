"""Projects and their limits as the API shows and takes them."""

from uuid import UUID

from pydantic import BaseModel, Field

from steersman.http.fields import Body, Moment

MAX_RUNNING_STAGES = 100_000


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


class ProjectLimits(BaseModel):
    """What a project may have at once; who set it and when are null where nobody ever did."""

    project: str
    max_running_stages: int | None = Field(
        description="Stages at work at once; null: as many as there are workers"
    )
    updated_by: str | None
    updated_at: Moment | None


class ProjectLimitsChange(Body):
    """The limits that a project is to have: all of them, whatever it had before."""

    max_running_stages: int | None = Field(
        ge=1, le=MAX_RUNNING_STAGES, description="Stages at work at once; null for no limit"
    )
