"""The audit over HTTP."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from steersman.audit import service
from steersman.audit.views import AuditPage
from steersman.bootstrap import parts
from steersman.http.api import Api, new_router, problems
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug

router = new_router()


@router.get(
    "/v1/audit", tags=["audit"], summary="List what people and agents changed, newest first", operation_id="listAudit",
    responses=problems(AuditPage, 200, 422, 429, 503),
)  # fmt: skip
def list_audit(
    project: Annotated[ProjectSlug, Query()] = "default",
    action: Annotated[str | None, Query(max_length=100, description="As in task.cancelled")] = None,
    target: Annotated[str | None, Query(max_length=200, description="As in task/<id>")] = None,
    by: Annotated[str | None, Query(max_length=500)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> AuditPage:
    """Return the audit entries of a project that pass every filter."""
    filters = {"action": action, "target": target, "by": by}
    page = service.page(
        parts().database, parts().projects.id(project), filters=filters, cursor=cursor, limit=limit
    )
    return AuditPage.model_validate(page)


handler = Api(router, parts)
