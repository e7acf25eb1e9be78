"""Projects over HTTP: list them, read and set their limits."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from steersman.bootstrap import parts
from steersman.http.api import Api, new_router, problems, request_of
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug
from steersman.projects.views import ProjectLimits, ProjectLimitsChange, ProjectPage

router = new_router()


@router.get(
    "/v1/projects", tags=["projects"], summary="List projects", operation_id="listProjects",
    responses=problems(ProjectPage, 200, 422, 429, 503),
)  # fmt: skip
def list_projects(cursor: Cursor = None, limit: Limit = 50) -> ProjectPage:
    """Return the projects, oldest first."""
    return ProjectPage.model_validate(parts().projects.page(cursor=cursor, limit=limit))


@router.get(
    "/v1/projects/<slug>/limits", tags=["projects"], summary="Read a project's limits",
    operation_id="getProjectLimits", responses=problems(ProjectLimits, 200, 404, 422, 429, 503),
)  # fmt: skip
def get_limits(slug: Annotated[ProjectSlug, Path()]) -> ProjectLimits:
    """Return what a project may have at once and spend in a day (null: no limit), and what it spent today."""
    found = parts().project_limits.get(slug, parts().projects.existing(slug))
    return ProjectLimits.model_validate(found)


@router.put(
    "/v1/projects/<slug>/limits", tags=["projects"], summary="Set a project's limits",
    operation_id="setProjectLimits", responses=problems(ProjectLimits, 200, 400, 404, 413, 415, 422, 429, 503),
)  # fmt: skip
def set_limits(slug: Annotated[ProjectSlug, Path()], body: ProjectLimitsChange) -> ProjectLimits:
    """Set what a project may have at once and spend in a day; workers go by it within seconds, and what waited for a
    budget that is not spent any more goes on. Harmless to repeat."""
    done = parts().project_limits.put(
        slug,
        parts().projects.existing(slug),
        body.model_dump(),
        by=request_of(router.current_event).requested_by,
    )
    return ProjectLimits.model_validate(done)


handler = Api(router, parts)
