"""Errors over HTTP: RFC 9457 problem documents, and the one table from errors to statuses."""

from typing import Any

from pydantic import BaseModel

from steersman import errors
from steersman.errors import Fault, SteersmanError
from steersman.json import dumps_text


class ProblemField(BaseModel):
    """One thing that is wrong: the field (a dotted path) and the reason."""

    field: str
    reason: str


class Problem(BaseModel):
    """An error, as RFC 9457 says; `type` never changes, `trace_id` finds it in the logs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    trace_id: str
    retryable: bool
    errors: list[ProblemField] = []


class WrongContentType(errors.InvalidInput):
    """The body is of another kind than the API reads."""

    code = "content_type"


CONTENT_TYPE = "application/problem+json"

STATUSES: dict[type[SteersmanError], int] = {
    errors.TooLarge: 413,
    errors.NotJson: 400,
    WrongContentType: 415,
    errors.KeyReused: 422,
    errors.InvalidInput: 422,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.RateLimited: 429,
    errors.AgentThrottled: 503,
    errors.Unavailable: 503,
    SteersmanError: 500,
}

TITLES = {
    400: "The request cannot be read",
    403: "Not allowed",
    404: "Not found",
    405: "This method is not allowed here",
    409: "The state does not allow this",
    413: "Too large",
    415: "The content type is not supported",
    422: "The input is not valid",
    429: "Too many requests",
    500: "Something went wrong on our side",
    503: "Not available right now",
}


def status_of(error: SteersmanError) -> int:
    """Return the HTTP status of an error: that of its nearest class in the table."""
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)


def of_error(error: SteersmanError, *, trace_id: str, instance: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body for an error."""
    status = status_of(error)
    return document(
        status,
        error.code,
        error.message,
        trace_id=trace_id,
        instance=instance,
        faults=error.faults,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
    )


def document(
    status: int,
    code: str,
    detail: str,
    *,
    trace_id: str,
    instance: str,
    faults: tuple[Fault, ...] = (),
    retryable: bool = False,
    retry_after_s: int | None = None,
) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body of a problem; `code` never changes and names the `type`."""
    body: dict[str, Any] = {
        "type": f"urn:steersman:problem:{code}",
        "title": TITLES.get(status, "Problem"),
        "status": status,
        "detail": detail,
        "instance": instance,
        "trace_id": trace_id,
        "retryable": retryable,
    }
    if faults:
        body["errors"] = [{"field": fault.field, "reason": fault.reason} for fault in faults]
    headers = {"content-type": CONTENT_TYPE}
    if retryable:
        headers["retry-after"] = str(retry_after_s or 1)
    return status, headers, dumps_text(body)
