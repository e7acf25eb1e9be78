"""A task's events over HTTP, by long poll."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from steersman.bootstrap import parts
from steersman.http.api import Api, new_router, problems
from steersman.tasks.views import MAX_WAIT_S, EventPage

router = new_router()


@router.get(
    "/v1/tasks/<task_id>/events", tags=["events"], summary="Follow a task's events", operation_id="getTaskEvents",
    responses=problems(EventPage, 200, 404, 422, 429, 503),
)  # fmt: skip
def task_events(
    task_id: UUID,
    after: Annotated[str | None, Query(description="The `cursor` of the answer before")] = None,
    wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S, description="How long to wait for an event")] = 0,
) -> EventPage:
    """Return the events after a cursor; without any, wait up to `wait_s` for one."""
    page = parts().tasks.events(task_id, after=after, wait_s=wait_s)
    return EventPage.model_validate(page, from_attributes=True)


handler = Api(router, parts)
