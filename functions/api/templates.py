"""Templates over HTTP: list, publish, read a version."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from steersman.bootstrap import parts
from steersman.http.api import Api, IdempotencyKey, created, new_router, problems, request_of
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug
from steersman.http.idempotency import once
from steersman.tasks import templates
from steersman.tasks.publish_report import report
from steersman.tasks.views import (
    TemplateDiff,
    TemplatePage,
    TemplatePublication,
    TemplatePublished,
    TemplateView,
)

router = new_router()


@router.get(
    "/v1/templates", tags=["templates"], summary="List templates", operation_id="listTemplates",
    responses=problems(TemplatePage, 200, 422, 429, 503),
)  # fmt: skip
def list_templates(
    project: Annotated[ProjectSlug, Query()] = "default", cursor: Cursor = None, limit: Limit = 50
) -> TemplatePage:
    """Return the newest version of each template of a project, by name."""
    page = templates.page(parts().database, parts().projects.id(project), cursor=cursor, limit=limit)
    return TemplatePage.model_validate(page)


@router.post(
    "/v1/templates", tags=["templates"], summary="Publish a template", operation_id="publishTemplate", status_code=201,
    responses=problems(TemplatePublished, 200) | problems(TemplatePublished, 201, 400, 413, 415, 422, 429, 503),
)  # fmt: skip
def publish_template(
    body: TemplatePublication, idempotency_key: IdempotencyKey = None
) -> Response[TemplatePublished]:
    """Check a template and add it as the next version of its name; tasks that run stay on theirs."""
    project_id = parts().projects.id(body.project)
    template = templates.check(body.template)
    if body.validate_only:
        templates.check_published(parts().database, project_id, template)
        found = report(parts().database, project_id, template)
        return created(
            {"name": template.name, "version": None, "published": False, "report": found}, new=False
        )
    answer = once(
        parts().database,
        project_id=project_id,
        route="/v1/templates",
        key=idempotency_key,
        body=body.model_dump(mode="json"),
        action=lambda: templates.publish(
            parts().database,
            project_id,
            template,
            by=request_of(router.current_event).requested_by,
            making=parts().making,
        ),
    )
    location = f"/v1/templates/{answer['name']}/versions/{answer['version']}"
    return created(answer, new=answer["published"], location=location)


@router.get(
    "/v1/templates/<name>/versions/<version>", tags=["templates"], summary="Read a version of a template",
    operation_id="getTemplateVersion", responses=problems(TemplateView, 200, 404, 422, 429, 503),
)  # fmt: skip
def get_template_version(
    name: str,
    version: Annotated[int, Path(ge=1, le=2**31 - 1)],
    project: Annotated[ProjectSlug, Query()] = "default",
) -> TemplateView:
    """Return one published version; it never changes."""
    found = templates.get(parts().database, parts().projects.id(project), name, version)
    return TemplateView.model_validate(found)


@router.get(
    "/v1/templates/<name>/diff", tags=["templates"], summary="Compare two versions of a template",
    operation_id="diffTemplate", responses=problems(TemplateDiff, 200, 404, 422, 429, 503),
)  # fmt: skip
def diff_template(
    name: str,
    before: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Default: the one before `after`")
    ] = None,
    after: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Default: the newest")] = None,
    project: Annotated[ProjectSlug, Query()] = "default",
) -> TemplateDiff:
    """Return what differs between two versions, and how many tasks are open on each: those stay on theirs."""
    found = templates.diff(parts().database, parts().projects.id(project), name, before=before, after=after)
    return TemplateDiff.model_validate(found)


handler = Api(router, parts)
