"""Dead letters over HTTP: browse, read, redrive one or many, discard."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from steersman.bootstrap import parts
from steersman.http.api import Api, IdempotencyKey, new_router, problems, request_of
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug
from steersman.tasks.letter_views import (
    DeadLetter,
    DeadLetterContext,
    DeadLetterPage,
    Discard,
    Redrive,
    Redrives,
    RedrivesView,
)
from steersman.tasks.words import LetterStatus

router = new_router()


@router.get(
    "/v1/dead-letters", tags=["dead_letters"], summary="List dead letters, newest first",
    operation_id="listDeadLetters", responses=problems(DeadLetterPage, 200, 422, 429, 503),
)  # fmt: skip
def list_dead_letters(
    project: Annotated[ProjectSlug, Query()] = "default",
    status: Annotated[LetterStatus | None, Query()] = None,
    stage: Annotated[str | None, Query()] = None,
    template: Annotated[str | None, Query()] = None,
    error: Annotated[str | None, Query(description="The code of the error")] = None,
    failed_after: Annotated[datetime | None, Query()] = None,
    failed_before: Annotated[datetime | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DeadLetterPage:
    """Return the stages of a project that failed for good and pass every filter."""
    filters = {
        "status": status,
        "stage": stage,
        "template": template,
        "error": error,
        "failed_after": failed_after,
        "failed_before": failed_before,
    }
    page = parts().dead_letters.page(
        parts().projects.id(project), filters=filters, cursor=cursor, limit=limit
    )
    return DeadLetterPage.model_validate(page)


@router.get(
    "/v1/dead-letters/<letter_id>", tags=["dead_letters"], summary="Read a dead letter with its whole context",
    operation_id="getDeadLetter", responses=problems(DeadLetterContext, 200, 404, 422, 429, 503),
)  # fmt: skip
def get_dead_letter(letter_id: UUID) -> DeadLetterContext:
    """Return what the stage was given, the results that it saw, and the log of its attempts."""
    return DeadLetterContext.model_validate(parts().dead_letters.get(letter_id))


@router.post(
    "/v1/dead-letters/redrive", tags=["dead_letters"], summary="Redrive dead letters by filter, or preview that",
    operation_id="redriveDeadLetters", responses=problems(RedrivesView, 200, 400, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def redrive_dead_letters(body: Redrives, idempotency_key: IdempotencyKey = None) -> RedrivesView:
    """Say what passes the filters; with `preview: false` have those tasks go on where they failed, at a rate."""
    request = request_of(router.current_event, idempotency_key)
    return RedrivesView.model_validate(parts().redrives.redrive(body, request))


@router.post(
    "/v1/dead-letters/<letter_id>/redrive", tags=["dead_letters"], summary="Redrive a dead letter",
    operation_id="redriveDeadLetter", responses=problems(DeadLetter, 200, 400, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def redrive_dead_letter(
    letter_id: UUID, body: Redrive | None = None, idempotency_key: IdempotencyKey = None
) -> DeadLetter:
    """Have the task go on where it failed; its stage with another input where one is given."""
    request = request_of(router.current_event, idempotency_key)
    answer = parts().dead_letters.redrive(letter_id, request, body.input if body else None)
    return DeadLetter.model_validate(answer)


@router.post(
    "/v1/dead-letters/<letter_id>/discard", tags=["dead_letters"], summary="Discard a dead letter",
    operation_id="discardDeadLetter", responses=problems(DeadLetter, 200, 400, 404, 409, 413, 415, 422, 429, 503),
)  # fmt: skip
def discard_dead_letter(letter_id: UUID, body: Discard, idempotency_key: IdempotencyKey = None) -> DeadLetter:
    """Decide that nothing more is done about it, and say why."""
    request = request_of(router.current_event, idempotency_key)
    return DeadLetter.model_validate(parts().dead_letters.discard(letter_id, request, body.reason))


handler = Api(router, parts)
