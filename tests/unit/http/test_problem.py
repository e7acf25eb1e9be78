"""Problem documents: the table of statuses, and their form."""

import json

import pytest

from steersman import errors
from steersman.errors import Fault, SteersmanError
from steersman.http import problem
from steersman.tasks import expressions, planner, ways

STATUSES = {
    "internal": 500,
    "invalid_input": 422,
    "too_large": 413,
    "not_json": 400,
    "content_type": 415,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "unavailable": 503,
    "agent_error": 500,
    "agent_throttled": 503,
    "agent_refused": 500,
    "stage_timeout": 500,
    "no_agent": 500,
    "invalid_result": 500,
    "missing_setting": 500,
    "payload_gone": 500,
    "payload_damaged": 500,
    "deadline_passed": 500,
    "budget_spent": 500,
    "lease_lost": 500,
    "expression_failed": 500,
    "timer_in_past": 500,
    "not_a_list": 500,
    "children_failed": 500,
    "rejected": 500,
    "not_answered": 500,
}


def every_class(root: type[SteersmanError] = SteersmanError) -> list[type[SteersmanError]]:
    ours = [
        cls
        for cls in root.__subclasses__()
        if cls.__module__ in {module.__name__ for module in (errors, problem, planner, expressions, ways)}
    ]
    return [root, *(found for cls in ours for found in every_class(cls))]


def test_every_error_has_its_status() -> None:
    """The table gives each class of error, by its stable code, the status that is promised; no code twice."""
    classes = every_class()
    assert {cls.code: problem.status_of(cls("x")) for cls in classes} == STATUSES
    assert len({cls.code for cls in classes}) == len(classes)


@pytest.mark.parametrize("status", sorted(set(STATUSES.values())))
def test_every_status_has_a_title(status: int) -> None:
    """Each status that can be answered has a title for people."""
    assert problem.TITLES[status]


def test_a_problem_document_has_the_fields_of_rfc_9457() -> None:
    """type, title, status, detail and instance are there, with trace_id, retryable and the faults by field."""
    error = errors.InvalidInput("no", faults=(Fault("a.b", "wrong"),))
    status, headers, body = problem.of_error(error, trace_id="t", instance="/v1/tasks")
    assert (status, headers) == (422, {"content-type": "application/problem+json"})
    assert json.loads(body) == {
        "type": "urn:steersman:problem:invalid_input",
        "title": "The input is not valid",
        "status": 422,
        "detail": "no",
        "instance": "/v1/tasks",
        "trace_id": "t",
        "retryable": False,
        "errors": [{"field": "a.b", "reason": "wrong"}],
    }
    assert problem.Problem.model_validate_json(body)


@pytest.mark.parametrize("cls", every_class())
def test_retry_after_comes_with_what_a_retry_can_help(cls: type[SteersmanError]) -> None:
    """Retry-After is there, at least one second, exactly when the error is retryable."""
    _, headers, body = problem.of_error(cls("x"), trace_id="t", instance="/")
    assert ("retry-after" in headers) == cls.retryable == json.loads(body)["retryable"]
    assert int(headers.get("retry-after", 1)) >= 1


def test_retry_after_is_the_errors_own() -> None:
    """An error that knows how long to wait says so."""
    error = errors.Unavailable("x", retry_after_s=7)
    assert problem.of_error(error, trace_id="t", instance="/")[1]["retry-after"] == "7"
