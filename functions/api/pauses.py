"""Pauses over HTTP: of tasks, and of a project's templates and queues."""

from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from steersman.bootstrap import parts
from steersman.http.api import Api, IdempotencyKey, new_router, problems, request_of
from steersman.http.fields import ProjectSlug
from steersman.http.idempotency import once
from steersman.tasks.steering_views import PauseOrder, PauseReason, PauseScope, PausesView, PauseView
from steersman.tasks.views import TaskView

router = new_router()


@router.get(
    "/v1/pauses", tags=["pauses"], summary="List what is paused", operation_id="listPauses",
    responses=problems(PausesView, 200, 422, 429, 503),
)  # fmt: skip
def list_pauses(project: Annotated[ProjectSlug, Query()] = "default") -> PausesView:
    """Return the templates and queues of a project that are paused."""
    found = parts().steering.pauses(parts().projects.id(project))
    return PausesView.model_validate({"pauses": found})


@router.post(
    "/v1/pauses", tags=["pauses"], summary="Pause a template or a queue", operation_id="pause",
    responses=problems(PauseView, 200, 400, 413, 415, 422, 429, 503),
)  # fmt: skip
def pause(body: PauseOrder, idempotency_key: IdempotencyKey = None) -> PauseView:
    """Let no stage of a template, or on a queue, begin in this project; what runs ends. Harmless to repeat."""
    request = request_of(router.current_event, idempotency_key)
    answer = once(
        parts().database,
        route="/v1/pauses",
        key=idempotency_key,
        body=body.model_dump(mode="json"),
        action=lambda: parts().steering.pause(
            parts().projects.id(body.project),
            body.scope,
            body.name,
            by=request.requested_by,
            reason=body.reason,
        ),
    )
    return PauseView.model_validate(answer)


@router.delete(
    "/v1/pauses/<scope>/<name>", tags=["pauses"], summary="End a pause", operation_id="resume",
    status_code=204, responses=problems(None, 204, 404, 422, 429, 503),
)  # fmt: skip
def resume(
    scope: Annotated[PauseScope, Path()],
    name: Annotated[str, Path(max_length=100)],
    project: Annotated[ProjectSlug, Query()] = "default",
) -> Response[None]:
    """Let a paused template or queue go on: what was held is sent."""
    by = request_of(router.current_event).requested_by
    parts().steering.resume(parts().projects.id(project), scope, name, by=by)
    return Response(status_code=204)


@router.post(
    "/v1/tasks/<task_id>/pause", tags=["pauses"], summary="Pause a task", operation_id="pauseTask",
    responses=problems(TaskView, 200, 400, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def pause_task(
    task_id: UUID, body: PauseReason | None = None, idempotency_key: IdempotencyKey = None
) -> TaskView:
    """Let no further stage of a task begin; what runs ends. Its deadline stands still. Harmless to repeat."""
    request = request_of(router.current_event, idempotency_key)
    reason = body.reason if body else None

    def act() -> dict[str, Any]:
        parts().steering.pause_task(task_id, by=request.requested_by, reason=reason)
        return parts().tasks.get(task_id, include=())

    route = f"/v1/tasks/{task_id}/pause"
    answer = once(parts().database, route=route, key=idempotency_key, body={"reason": reason}, action=act)
    return TaskView.model_validate(answer)


@router.post(
    "/v1/tasks/<task_id>/resume", tags=["pauses"], summary="Resume a task", operation_id="resumeTask",
    responses=problems(TaskView, 200, 400, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def resume_task(task_id: UUID, idempotency_key: IdempotencyKey = None) -> TaskView:
    """Let a paused task go on; its deadline moves by as long as it stood. Harmless to repeat."""
    request = request_of(router.current_event, idempotency_key)

    def act() -> dict[str, Any]:
        parts().steering.resume_task(task_id, by=request.requested_by)
        return parts().tasks.get(task_id, include=())

    route = f"/v1/tasks/{task_id}/resume"
    answer = once(parts().database, route=route, key=idempotency_key, body={}, action=act)
    return TaskView.model_validate(answer)


handler = Api(router, parts)
