"""Approvals over HTTP: what waits for an answer, and answering."""

from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from steersman.bootstrap import parts
from steersman.http.api import Api, IdempotencyKey, new_router, problems, request_of
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug
from steersman.http.idempotency import once
from steersman.tasks.steering_views import ApprovalAnswer, ApprovalPage
from steersman.tasks.template import StageName
from steersman.tasks.views import TaskView

router = new_router()


@router.get(
    "/v1/approvals", tags=["approvals"], summary="List what waits for an answer", operation_id="listApprovals",
    responses=problems(ApprovalPage, 200, 422, 429, 503),
)  # fmt: skip
def list_approvals(
    project: Annotated[ProjectSlug, Query()] = "default",
    task_id: Annotated[UUID | None, Query(description="Of this task only")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ApprovalPage:
    """Return the stages of a project that wait for an answer, oldest tasks first."""
    project_id = parts().projects.id(project)
    page = parts().approvals.page(project_id, cursor=cursor, limit=limit, only_task=task_id)
    return ApprovalPage.model_validate(page)


@router.post(
    "/v1/tasks/<task_id>/stages/<stage>/answer", tags=["approvals"], summary="Answer a stage that waits",
    operation_id="answerStage", responses=problems(TaskView, 200, 400, 403, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def answer_stage(
    task_id: UUID,
    stage: Annotated[StageName, Path()],
    body: ApprovalAnswer,
    idempotency_key: IdempotencyKey = None,
) -> TaskView:
    """Say yes or no to a stage that asks for approval; its task goes on."""
    request = request_of(router.current_event, idempotency_key)

    def act() -> dict[str, Any]:
        parts().approvals.answer(
            task_id,
            stage,
            approved=body.approved,
            answer=body.answer,
            comment=body.comment,
            by=request.requested_by,
            again=idempotency_key is not None,
        )
        return parts().tasks.get(task_id, include=())

    answer = once(
        parts().database,
        route=f"/v1/tasks/{task_id}/stages/{stage}/answer",
        key=idempotency_key,
        body=body.model_dump(mode="json"),
        action=act,
    )
    return TaskView.model_validate(answer)


handler = Api(router, parts)
