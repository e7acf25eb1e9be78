"""Agents behind HTTP: the contract, both ways."""

import json
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from steersman.agents.http import HttpAgent
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused, AgentThrottled, InvalidResult, StageTimeout

URL = "https://agent.example/run"


def job(number: int = 1, **changes: Any) -> StageJob:
    values: dict[str, Any] = {
        "task_id": UUID(int=number), "project_id": UUID(int=9), "stage": "draft", "capability": "text.draft",
        "attempt": 2, "timeout_s": 3.0, "correlation_id": "trace-1", "input": {"question": "why?"},
        "results": {"plan": {"steps": 2}, "web": None},
    }  # fmt: skip
    return StageJob(**{**values, **changes})


def agent(answer: Callable[[httpx.Request], httpx.Response]) -> HttpAgent:
    return HttpAgent("writer", URL, transport=httpx.MockTransport(answer))


def answered(status: int = 200, **answer: Any) -> StageResult | AgentError:
    (outcome,) = agent(lambda request: httpx.Response(status, **answer)).run([job()])
    return outcome


def test_a_job_is_sent_whole() -> None:
    """The agent gets the job's names, input and results as JSON, a key to tell repeats by, and the correlation id."""
    seen: list[httpx.Request] = []
    agent(lambda request: seen.append(request) or httpx.Response(200, json={"output": {}})).run([job()])  # type: ignore[func-returns-value]
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", URL)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == f"{UUID(int=1)}-draft-2"
    assert request.headers["x-correlation-id"] == "trace-1"
    assert request.extensions["timeout"]["read"] == 3.0
    assert json.loads(request.content) == {
        "task_id": str(UUID(int=1)),
        "project_id": str(UUID(int=9)),
        "stage": "draft",
        "capability": "text.draft",
        "attempt": 2,
        "timeout_s": 3.0,
        "correlation_id": "trace-1",
        "input": {"question": "why?"},
        "results": {"plan": {"steps": 2}, "web": None},
    }


def test_a_result_is_read_whole() -> None:
    """Output, model, tokens, cost and quality come from the answer; cost is exact."""
    body = {"output": {"text": "so"}, "model": "m-1", "tokens": 12, "cost_usd": "0.000123", "quality": 0.5}
    assert answered(json=body) == StageResult(
        output={"text": "so"}, model="m-1", tokens=12, cost_usd=Decimal("0.000123"), quality=0.5
    )
    assert answered(json={"output": {}}) == StageResult(output={})


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (408, AgentError, True), (425, AgentError, True), (429, AgentThrottled, True), (500, AgentError, True),
        (503, AgentError, True), (400, AgentRefused, False), (401, AgentRefused, False), (404, AgentRefused, False),
        (422, AgentRefused, False), (301, AgentRefused, False), (304, AgentRefused, False),
    ],
)  # fmt: skip
def test_a_status_says_whether_to_try_again(status: int, kind: type[AgentError], retryable: bool) -> None:
    """408, 425, 429 and 5xx can be tried again; any other answer that is no result is final, redirects too."""
    outcome = answered(status, headers={"location": "https://elsewhere.example"})
    assert type(outcome) is kind
    assert outcome.retryable is retryable
    assert str(status) in outcome.message


@pytest.mark.parametrize(
    "answer",
    [
        {"content": b"not json"},
        {"content": b""},
        {"json": []},
        {"json": {"output": "text"}},
        {"json": {"text": "no output"}},
        {"json": {"output": {}, "quality": 1.5}},
        {"json": {"output": {}, "quality": "good"}},
        {"json": {"output": {}, "tokens": -1}},
        {"json": {"output": {}, "tokens": "many"}},
        {"json": {"output": {}, "tokens": []}},
        {"json": {"output": {}, "cost_usd": "a lot"}},
        {"json": {"output": {}, "cost_usd": "NaN"}},
        {"json": {"output": {}, "cost_usd": -1}},
        {"json": {"output": {"text": "x" * 6 * 1024 * 1024}}},
        {"content": b'{"output": {}, "tokens": 1e999}'},
        {"content": b"\xff\xfe"},
        {"content": b"[" * 100_000},
    ],
)
def test_an_answer_that_is_no_result_can_be_tried_again(answer: dict[str, Any]) -> None:
    """Whatever a 2xx says that is not a result is an InvalidResult, and nothing worse."""
    outcome = answered(**answer)
    assert type(outcome) is InvalidResult
    assert outcome.retryable


def failing(error: Exception) -> StageResult | AgentError:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return agent(answer).run([job()])[0]


def test_silence_is_a_timeout_and_a_lost_connection_an_error() -> None:
    """No answer in time is StageTimeout; an agent that cannot be reached is AgentError; both can be tried again."""
    timeout, lost = failing(httpx.ReadTimeout("slow")), failing(httpx.ConnectError("gone"))
    assert type(timeout) is StageTimeout
    assert type(lost) is AgentError
    assert timeout.retryable
    assert lost.retryable
    assert "writer" in timeout.message


def test_a_batch_is_called_in_parallel_and_answered_in_order() -> None:
    """Jobs of a batch are sent at the same time; outcomes come in the order of the jobs, each its own."""
    together = threading.Barrier(5, timeout=20)

    def answer(request: httpx.Request) -> httpx.Response:
        together.wait()
        number = UUID(json.loads(request.content)["task_id"]).int
        return httpx.Response(422) if number == 3 else httpx.Response(200, json={"output": {"n": number}})

    outcomes = agent(answer).run([job(number) for number in range(1, 6)])
    assert [outcome.output["n"] for outcome in outcomes if isinstance(outcome, StageResult)] == [1, 2, 4, 5]
    assert type(outcomes[2]) is AgentRefused


@pytest.mark.parametrize("endpoint", ["", "agent.example", "ftp://agent.example", "file:///etc/hosts"])
def test_only_http_urls_are_endpoints(endpoint: str) -> None:
    """What is not an http(s) URL cannot be connected to."""
    with pytest.raises(ValueError, match="http"):
        HttpAgent("writer", endpoint)
