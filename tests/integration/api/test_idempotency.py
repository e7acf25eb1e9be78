"""Idempotency-Key: the same request twice has one effect."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fixtures.functions import Functions
from tests.integration.api.requests import QUESTION, fields_of, nothing_stored, submit, with_key


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/tasks", QUESTION), ("/v1/tasks/batch", {"tasks": [QUESTION, QUESTION]})]
)
def test_the_same_request_twice_has_one_effect(functions: Functions, path: str, body: dict[str, Any]) -> None:
    """With the same key and body the first answer comes again, word for word, and no further task."""
    first, second = with_key(functions, body, path=path), with_key(functions, body, path=path)
    assert (first.status, second.status) == (202, 202)
    assert first.text == second.text
    assert first.headers.get("location") == second.headers.get("location")
    assert functions.rows("task_histories") == len(body.get("tasks", [body]))


def test_a_key_with_another_body_is_refused(functions: Functions) -> None:
    """A key that was used is not good for another body; another route or another key is another request."""
    with_key(functions, QUESTION)
    answer = with_key(functions, {**QUESTION, "priority": "high"})
    assert (answer.status, fields_of(answer)) == (422, ["Idempotency-Key"])
    assert answer.json["type"] == "urn:steersman:problem:idempotency_key_reused"
    assert with_key(functions, {"tasks": [QUESTION]}, path="/v1/tasks/batch").status == 202
    assert with_key(functions, {**QUESTION, "priority": "high"}, key="key-2").status == 202
    assert functions.rows("task_histories") == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_key_must_be_a_short_printable_text(functions: Functions, key: str) -> None:
    """An empty, long or unprintable key is refused by name, and nothing is stored."""
    answer = with_key(functions, QUESTION, key=key)
    assert (answer.status, fields_of(answer)) == (422, ["Idempotency-Key"])
    assert nothing_stored(functions)


def test_a_refused_request_does_not_use_up_its_key(functions: Functions) -> None:
    """After a refusal the same key serves the corrected request."""
    assert with_key(functions, {"input": {}}).status == 422
    assert with_key(functions, QUESTION).status == 202


def test_the_same_request_at_the_same_time_has_one_effect(functions: Functions) -> None:
    """Requests with one key that race each other are one task with one answer."""
    from steersman.bootstrap import Parts
    from steersman.http.request import Request
    from steersman.tasks.views import TaskSubmission

    racers = [Parts(functions.parts.settings) for _ in range(6)]
    request = Request(
        requested_by="me", requested_through="api", correlation_id="c", route="/v1/tasks", idempotency_key="k"
    )

    def accept(parts: Parts) -> Any:
        try:
            return parts.submissions.accept([TaskSubmission(**QUESTION)], request, single=True)["tasks"][0][
                "id"
            ]
        finally:
            parts.database.close()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(accept, racers))) == 1
    assert functions.rows("task_histories") == 1


def test_a_key_is_free_again_after_a_day(functions: Functions) -> None:
    """After 24 hours, housekeeping or not, a key serves a new request."""
    first = with_key(functions, QUESTION)
    functions.parts.database.run("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    second = with_key(functions, {**QUESTION, "priority": "low"})
    assert second.status == 202, second.text
    assert second.json["id"] != first.json["id"]
    assert with_key(functions, {**QUESTION, "priority": "low"}).text == second.text


def test_a_cancellation_with_a_key_is_answered_again(functions: Functions) -> None:
    """The same cancellation under its key has the same answer; another reason under it is refused."""
    path = f"/v1/tasks/{submit(functions)['id']}/cancel"
    first, second = (
        with_key(functions, {"reason": "a"}, path=path),
        with_key(functions, {"reason": "a"}, path=path),
    )
    assert first.status == 200
    assert first.text == second.text
    assert with_key(functions, {"reason": "b"}, path=path).status == 422
