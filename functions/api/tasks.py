"""Tasks over HTTP: submit, list, read, cancel, run again, clone."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from steersman.bootstrap import parts
from steersman.http.api import Api, IdempotencyKey, accepted, new_router, problems, request_of
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import LabelFilter, ProjectSlug, labels_of
from steersman.http.idempotency import once
from steersman.tasks.steering_views import StartedTaskPage, TaskChange
from steersman.tasks.template import StageName
from steersman.tasks.views import (
    MAX_WAIT_S,
    BatchAccepted,
    Cancellation,
    Cloning,
    Included,
    Rerun,
    TaskAccepted,
    TaskBatch,
    TaskPage,
    TaskResumed,
    TaskSubmission,
    TaskView,
)
from steersman.tasks.whole_views import BOTH, Value
from steersman.tasks.words import Priority, TaskStatus

router = new_router()


@router.post(
    "/v1/tasks", tags=["tasks"], summary="Submit a task", operation_id="submitTask", status_code=202,
    responses=problems(TaskAccepted, 202, 400, 413, 415, 422, 429, 503),
)  # fmt: skip
def submit(body: TaskSubmission, idempotency_key: IdempotencyKey = None) -> Response[TaskAccepted]:
    """Accept a task. It will end in a final state, whatever crashes."""
    request = request_of(router.current_event, idempotency_key)
    answer = parts().submissions.accept([body], request, single=True)["tasks"][0]
    return accepted(answer, location=f"/v1/tasks/{answer['id']}")


@router.post(
    "/v1/tasks/batch", tags=["tasks"], summary="Submit up to 1,000 tasks, all or none", operation_id="submitTasks",
    status_code=202, responses=problems(BatchAccepted, 202, 400, 413, 415, 422, 429, 503),
)  # fmt: skip
def submit_batch(body: TaskBatch, idempotency_key: IdempotencyKey = None) -> Response[BatchAccepted]:
    """Accept tasks, all or none; they are answered in the order of the request."""
    request = request_of(router.current_event, idempotency_key)
    return accepted(parts().submissions.accept(body.tasks, request, single=False))


@router.get(
    "/v1/tasks", tags=["tasks"], summary="List tasks, newest first", operation_id="listTasks",
    responses=problems(TaskPage, 200, 422, 429, 503),
)  # fmt: skip
def list_tasks(
    project: Annotated[ProjectSlug, Query()] = "default",
    status: Annotated[TaskStatus | None, Query()] = None,
    template: Annotated[str | None, Query()] = None,
    priority: Annotated[Priority | None, Query()] = None,
    label: Annotated[list[LabelFilter] | None, Query(description="key:value; all must be there")] = None,
    created_after: Annotated[datetime | None, Query()] = None,
    created_before: Annotated[datetime | None, Query()] = None,
    include: Annotated[
        list[Included] | None,
        Query(description="What more to say of each task; with outputs a page may end before its limit"),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> TaskPage:
    """Return the tasks of a project that pass every filter; with `include=output` what each came to."""
    filters = {
        "status": status,
        "template": template,
        "priority": priority,
        "labels": labels_of(label),
        "created_after": created_after,
        "created_before": created_before,
    }
    page = parts().tasks.page(
        parts().projects.id(project),
        filters=filters,
        cursor=cursor,
        limit=limit,
        outputs="output" in (include or ()),
    )
    return TaskPage.model_validate(page)


@router.get(
    "/v1/tasks/<task_id>", tags=["tasks"], summary="Read a task with its stages", operation_id="getTask",
    responses=problems(TaskView, 200, 404, 422, 429, 503),
)  # fmt: skip
def get_task(
    task_id: UUID,
    wait_s: Annotated[
        float, Query(ge=0, le=MAX_WAIT_S, description="How long to wait for the task to end")
    ] = 0,
    include: Annotated[
        list[Value] | None,
        Query(description="Which large values (over 64 KiB) to show whole; default: both, the output first"),
    ] = None,
) -> TaskView:
    """Return a task with its stages in template order, and its output when it has completed.

    A large value that is not shown stands as `{"$payload": {key, bytes, sha256, code, reason}}`.

    With `wait_s` as soon as it has ended, or after that time as it is then: `status` tells.
    """
    return TaskView.model_validate(parts().tasks.get(task_id, wait_s=wait_s, include=include or BOTH))


@router.post(
    "/v1/tasks/<task_id>/cancel", tags=["tasks"], summary="Cancel a task", operation_id="cancelTask",
    responses=problems(TaskView, 200, 400, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def cancel_task(
    task_id: UUID, body: Cancellation | None = None, idempotency_key: IdempotencyKey = None
) -> TaskView:
    """Stop an open task at once: no further stage starts. Harmless to repeat."""
    request = request_of(router.current_event, idempotency_key)
    reason = body.reason if body else None
    answer = once(
        parts().database,
        route=f"/v1/tasks/{task_id}/cancel",
        key=idempotency_key,
        body={"reason": reason},
        action=lambda: parts().tasks.cancel(task_id, by=request.requested_by, reason=reason),
    )
    return TaskView.model_validate(answer)


@router.patch(
    "/v1/tasks/<task_id>", tags=["tasks"], summary="Change a task's limits", operation_id="changeTask",
    responses=problems(TaskView, 200, 400, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def change_task(task_id: UUID, body: TaskChange) -> TaskView:
    """Raise or lower budgets and the deadline of an open task; what waited for a budget goes on."""
    changes = body.constraints.model_dump(mode="json", exclude_none=True)
    parts().steering.amend(task_id, changes, by=request_of(router.current_event).requested_by)
    return TaskView.model_validate(parts().tasks.get(task_id))


@router.get(
    "/v1/tasks/<task_id>/stages/<stage>/tasks", tags=["tasks"], summary="List the tasks that a stage started",
    operation_id="listStartedTasks", responses=problems(StartedTaskPage, 200, 404, 422, 429, 503),
)  # fmt: skip
def list_started(
    task_id: UUID,
    stage: Annotated[StageName, Path()],
    status: Annotated[TaskStatus | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> StartedTaskPage:
    """Return the tasks of a fan-out or nested task, by item."""
    page = parts().tasks.started(task_id, stage, status=status, cursor=cursor, limit=limit)
    return StartedTaskPage.model_validate(page)


@router.post(
    "/v1/tasks/<task_id>/rerun", tags=["tasks"], summary="Run a task again from chosen stages",
    operation_id="rerunTask", responses=problems(TaskResumed, 200, 400, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def rerun_task(task_id: UUID, body: Rerun, idempotency_key: IdempotencyKey = None) -> TaskResumed:
    """Have a task that has ended run again from these stages; the results before them are kept."""
    request = request_of(router.current_event, idempotency_key)
    return TaskResumed.model_validate(parts().reruns.rerun(task_id, body.from_stages, request))


@router.post(
    "/v1/tasks/<task_id>/clone", tags=["tasks"], summary="Submit a task like another one", operation_id="cloneTask",
    status_code=202, responses=problems(TaskAccepted, 202, 400, 404, 413, 415, 422, 429, 503),
)  # fmt: skip
def clone_task(
    task_id: UUID, body: Cloning | None = None, idempotency_key: IdempotencyKey = None
) -> Response[TaskAccepted]:
    """Accept a new task like this one, with another input, priority, labels or template version if given."""
    request = request_of(router.current_event, idempotency_key)
    answer = parts().reruns.clone(task_id, body or Cloning(), request)
    return accepted(answer, location=f"/v1/tasks/{answer['id']}")


handler = Api(router, parts)
