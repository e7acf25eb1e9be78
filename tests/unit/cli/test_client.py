"""The API's client: requests, problems, following events, signatures."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from steersman.cli.client import ApiProblem, Client

LOCAL = "http://127.0.0.1:1/_aws/execute-api/abc"
AWS = "https://abc.execute-api.eu-central-1.amazonaws.com"
PROBLEM = {
    "type": "urn:steersman:problem:invalid_input",
    "detail": "the task cannot be accepted",
    "errors": [{"field": "input.question", "reason": "is empty"}],
}


def client(answer: Callable[[httpx.Request], httpx.Response], url: str = LOCAL) -> Client:
    return Client(url, transport=httpx.MockTransport(answer))


def test_a_submission_carries_a_key_of_its_own() -> None:
    """Each POST carries JSON and an Idempotency-Key that no other has."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"id": "t"})

    api = client(answer)
    assert [api.submit({"input": {}}), api.submit({"input": {}})] == [{"id": "t"}] * 2
    assert json.loads(seen[0].content) == {"input": {}}
    assert seen[0].url == f"{LOCAL}/v1/tasks"
    assert seen[0].headers["user-agent"].startswith("steersman-cli/")
    keys = [request.headers["idempotency-key"] for request in seen]
    assert keys[0] != keys[1]


def test_filters_that_are_not_given_are_not_sent() -> None:
    """A list asks with the given filters only, a repeated one as often as it is given."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"query": str(request.url.query, "ascii")})

    found = client(answer).tasks(project="default", status=None, label=["a:1", "b:2"])
    assert found["query"] == "project=default&label=a%3A1&label=b%3A2"


def test_a_large_value_is_asked_for_by_name() -> None:
    """Reading a task names the large value to show whole when one is asked for, and nothing else."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.url.path}?{request.url.query.decode()}")
        return httpx.Response(200, json={"id": "t"})

    api = client(answer)
    assert api.task("t", "input") == api.task("t") == {"id": "t"}
    prefix = f"{httpx.URL(LOCAL).path}/v1/tasks/t?"
    assert seen == [f"{prefix}include=input", prefix]


def test_a_problem_is_told_with_its_fields() -> None:
    """A refusal has the API's own words, status and faults."""
    api = client(lambda _: httpx.Response(422, json=PROBLEM))
    with pytest.raises(ApiProblem) as caught:
        api.submit({})
    assert (caught.value.message, caught.value.status) == ("the task cannot be accepted", 422)
    assert caught.value.faults == [("input.question", "is empty")]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(403, json={"message": "Forbidden"}), "Forbidden"),
        (httpx.Response(502, text="<html>"), "the API answered 502"),
    ],
)
def test_an_answer_of_something_else_is_told(answer: httpx.Response, message: str) -> None:
    """What a gateway answers in the API's place is told too."""
    with pytest.raises(ApiProblem, match=message):
        client(lambda _: answer).health()


def test_an_api_out_of_reach_is_told_with_its_address() -> None:
    """A connection that fails names the address and has no status."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiProblem, match=LOCAL) as caught:
        client(answer).health()
    assert caught.value.status is None


def test_events_come_once_and_end() -> None:
    """Events are followed by cursor to the last one; what comes twice after a loss of the cache is told once."""
    pages: list[dict[str, Any]] = [
        {"events": [{"id": "1"}, {"id": "2"}], "cursor": "a", "ended": False},
        {"events": [{"id": "1"}, {"id": "2"}, {"id": "3"}], "cursor": "b", "ended": True},
    ]
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, json=pages[len(asked) - 1])

    assert [event["id"] for event in client(answer).events("t")] == ["1", "2", "3"]
    assert [query.get("after") for query in asked] == [None, "a"]


def test_an_end_is_waited_for_in_as_many_requests_as_it_takes() -> None:
    """Each request waits; those that come back with an open task are followed by another, until the end."""
    statuses = iter(["running", "retrying", "failed"])
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append({"path": request.url.path, **request.url.params})
        return httpx.Response(200, json={"status": next(statuses)})

    assert client(answer).ended("t") == {"status": "failed"}
    assert [query["wait_s"] for query in asked] == ["20.0"] * 3
    assert {query["path"].rpartition("/v1/")[2] for query in asked} == {"tasks/t"}


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.mark.usefixtures("credentials")
def test_requests_to_aws_are_signed() -> None:
    """An API Gateway address of AWS gets a signature of the caller's for its region."""

    def answer(request: httpx.Request) -> httpx.Response:
        signature = request.headers["authorization"]
        assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert "/eu-central-1/execute-api/aws4_request" in signature
        assert request.headers["x-amz-date"]
        return httpx.Response(200, json={})

    assert client(answer, AWS).health() == {}


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    "url",
    [
        LOCAL,
        "https://steersman.example.com",
        "https://abc.execute-api.eu-central-1.amazonaws.com.evil.example",
        "https://abc.s3.eu-central-1.amazonaws.com",
    ],
)
def test_nobody_else_gets_a_signature(url: str) -> None:
    """An address that is not API Gateway's is sent no signature."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return httpx.Response(200, json={})

    assert client(answer, url).health() == {}
