"""Schedules over HTTP: create, list, read, change, delete, run out of turn."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from steersman.bootstrap import parts
from steersman.http.api import Api, IdempotencyKey, accepted, created, new_router, problems, request_of
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug
from steersman.tasks.schedule_views import ScheduleChange, ScheduleCreation, SchedulePage, ScheduleView
from steersman.tasks.views import TaskAccepted

router = new_router()


@router.post(
    "/v1/schedules", tags=["schedules"], summary="Create a schedule", operation_id="createSchedule", status_code=201,
    responses=problems(ScheduleView, 201, 400, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def create_schedule(body: ScheduleCreation, idempotency_key: IdempotencyKey = None) -> Response[ScheduleView]:
    """Have a template become a task at the times of a cron expression, or at a rate."""
    answer = parts().schedules.create(body, request_of(router.current_event, idempotency_key))
    return created(answer, location=f"/v1/schedules/{answer['id']}")


@router.get(
    "/v1/schedules", tags=["schedules"], summary="List schedules", operation_id="listSchedules",
    responses=problems(SchedulePage, 200, 422, 429, 503),
)  # fmt: skip
def list_schedules(
    project: Annotated[ProjectSlug, Query()] = "default",
    name: Annotated[str | None, Query()] = None,
    template: Annotated[str | None, Query()] = None,
    paused: Annotated[bool | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> SchedulePage:
    """Return the schedules of a project that pass every filter, by name."""
    page = parts().schedules.page(
        parts().projects.id(project),
        filters={"name": name, "template": template, "paused": paused},
        cursor=cursor,
        limit=limit,
    )
    return SchedulePage.model_validate(page)


@router.get(
    "/v1/schedules/<schedule_id>", tags=["schedules"], summary="Read a schedule", operation_id="getSchedule",
    responses=problems(ScheduleView, 200, 404, 422, 429, 503),
)  # fmt: skip
def get_schedule(schedule_id: UUID, project: Annotated[ProjectSlug, Query()] = "default") -> ScheduleView:
    """Return a schedule with its next five times."""
    return ScheduleView.model_validate(parts().schedules.get(parts().projects.id(project), schedule_id))


@router.patch(
    "/v1/schedules/<schedule_id>", tags=["schedules"], summary="Change, pause or resume a schedule",
    operation_id="changeSchedule", responses=problems(ScheduleView, 200, 400, 404, 413, 415, 422, 429, 503),
)  # fmt: skip
def change_schedule(
    schedule_id: UUID, body: ScheduleChange, project: Annotated[ProjectSlug, Query()] = "default"
) -> ScheduleView:
    """Change what the body names. A schedule that is resumed goes on at its next time; none is made up for."""
    changed = parts().schedules.change(
        parts().projects.id(project), schedule_id, body, request_of(router.current_event)
    )
    return ScheduleView.model_validate(changed)


@router.delete(
    "/v1/schedules/<schedule_id>", tags=["schedules"], summary="Delete a schedule", operation_id="deleteSchedule",
    status_code=204, responses=problems(None, 204, 404, 422, 429, 503),
)  # fmt: skip
def delete_schedule(
    schedule_id: UUID, project: Annotated[ProjectSlug, Query()] = "default"
) -> Response[None]:
    """Delete a schedule; the tasks that it made stay, and go on."""
    parts().schedules.delete(parts().projects.id(project), schedule_id, request_of(router.current_event))
    return Response(status_code=204)


@router.post(
    "/v1/schedules/<schedule_id>/run", tags=["schedules"], summary="Run a schedule now", operation_id="runSchedule",
    status_code=202, responses=problems(TaskAccepted, 202, 400, 404, 413, 415, 422, 429, 503),
)  # fmt: skip
def run_schedule(
    schedule_id: UUID,
    project: Annotated[ProjectSlug, Query()] = "default",
    idempotency_key: IdempotencyKey = None,
) -> Response[TaskAccepted]:
    """Make a task of it at once, paused or not; its times stay as they are."""
    request = request_of(router.current_event, idempotency_key)
    answer = parts().schedules.run(parts().projects.id(project), schedule_id, request)
    return accepted(answer, location=f"/v1/tasks/{answer['id']}")


handler = Api(router, parts)
