"""The OpenAPI document, and the conventions on every route that it names."""

import json
import re
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid4

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from functions.openapi import routers
from steersman.cache.connection import connect
from steersman.http.openapi import committed, generate, text
from steersman.http.rate_limit import RateLimiter
from tests.fixtures import absent
from tests.fixtures.functions import Functions

OPERATIONS = [(method.upper(), path) for path, methods in committed()["paths"].items() for method in methods]
POSTS = [path for method, path in OPERATIONS if method == "POST"]
UNKNOWN = {
    "task_id": str(uuid4()),
    "agent_id": str(uuid4()),
    "document_id": str(uuid4()),
    "letter_id": str(uuid4()),
    "schedule_id": str(uuid4()),
    "name": "x",
    "version": "1",
    "slug": "nowhere",
    "stage": "x",
    "scope": "queue",
}
BODIES: dict[str, Any] = {
    "/v1/tasks": {"input": {"question": "why?"}},
    "/v1/tasks/batch": {"tasks": [{"input": {"question": "why?"}}]},
    "/v1/templates": {"template": {}, "validate_only": True},
    "/v1/documents": {"source_uri": "x", "media_type": "text/plain", "content": "Some words."},
    "/v1/dead-letters/{letter_id}/discard": {"reason": "x"},
    "/v1/tasks/{task_id}/rerun": {"from": ["a"]},
    "/v1/dead-letters/redrive": {"error": "no_agent"},
    "/v1/schedules": {
        "name": "hourly",
        "template": "quick_answer",
        "input": {"question": "why?"},
        "rate": "1 hour",
    },
    "/v1/pauses": {"scope": "queue", "name": "agent"},
    "/v1/tasks/{task_id}/stages/{stage}/answer": {"approved": True},
}
LISTS = [
    "/v1/tasks",
    "/v1/templates",
    "/v1/agents",
    "/v1/documents",
    "/v1/dead-letters",
    "/v1/audit",
    "/v1/schedules",
    "/v1/approvals",
]
NEEDS_NOTHING = {"/v1/dead-letters/redrive"}
CHANGES: dict[str, Any] = {
    "/v1/schedules/{schedule_id}": {"paused": True},
    "/v1/tasks/{task_id}": {"constraints": {"budget_usd": "1"}},
}
PUTS: dict[str, Any] = {"/v1/projects/{slug}/limits": {"max_running_stages": 5}}
TOLD_BY_REDIS = "/v1/schedules"  # without Redis nobody could wake the sweep in time


def real(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: UNKNOWN[found[1]], path)


def body_of(method: str, path: str, **others: Any) -> Any:
    """Return a body that an operation takes, or None where it takes none; `others` are those of some POSTs."""
    bodies = {"POST": {**BODIES, **others}, "PATCH": CHANGES, "PUT": PUTS}
    return bodies.get(method, {}).get(path)


def test_the_committed_document_is_the_generated_one() -> None:
    """`make openapi` was run after the last change of a route or a model."""
    found = files("steersman.http").joinpath("openapi.json").read_text("utf-8")
    assert found == text(generate(routers()))


def test_the_document_is_valid_openapi() -> None:
    """The document keeps OpenAPI 3.1, references included."""
    assert committed()["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(committed()).iter_errors()] == []


def test_every_reference_leads_somewhere() -> None:
    """No schema is referred to that is not there."""
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(committed())))
    assert referred <= set(committed()["components"]["schemas"])


def test_every_operation_is_described() -> None:
    """Each operation has an id of its own, a tag, a summary, and the errors that it can answer with."""
    seen = set()
    for method, path in OPERATIONS:
        operation = committed()["paths"][path][method.lower()]
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
        assert operation["tags"]
        assert operation["summary"]
        expected = {"429"}
        if path != "/v1/openapi.json":
            expected.add("503")
        if "{" in path:
            expected |= {"404", "422"}
        if method == "POST":
            expected |= {"400", "413", "415", "422"}
        assert expected <= set(operation["responses"]), f"{method} {path}"
        for status, response in operation["responses"].items():
            if int(status) >= 400 and "health" not in path:
                assert set(response["content"]) == {"application/problem+json"}


def test_every_route_keeps_the_conventions(functions: Functions) -> None:
    """Each route answers with the correlation id, the rate limit and a described answer, also for what is unknown."""
    for method, path in OPERATIONS:
        body = body_of(method, path)
        answer = functions.http(method, real(path), body, headers={"x-correlation-id": "mine-1"})
        assert answer.headers["x-correlation-id"] == "mine-1"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.status in ({404} if "{" in path else {200, 201, 202, 422}), (
            f"{method} {path}: {answer.text}"
        )
        made = functions.http(method, real(path), body, headers={"X-Correlation-Id": "not allowed!"})
        assert made.headers["x-correlation-id"] not in {"", "mine-1", "not allowed!"}


def test_an_unknown_route_is_a_problem(functions: Functions) -> None:
    """A path or method that does not exist is 404 as a problem document."""
    for method, path in [
        ("GET", "/v1/tasks/a/b/c"),
        ("PUT", "/v1/tasks"),
        ("PATCH", "/v1/agents"),
        ("GET", "/v1/healthy"),
    ]:
        answer = functions.http(method, path)
        assert answer.status == 404
        assert answer.json["type"] == "urn:steersman:problem:no_route"


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        ("{", {}, 400, "body"),
        ("nonsense", {}, 400, "body"),
        ('{"a": NaN}', {}, 400, "body"),
        ('{"a": "\\ud800"}', {}, 400, "body"),
        ("[" * 100_000, {}, 400, "body"),
        (b"\xff\xfe\x00", {}, 422, "body"),
        ("x" * (5 * 1024 * 1024 + 1), {}, 413, "body"),
        ("{}", {"content-type": "text/plain"}, 415, "Content-Type"),
        ("a=b", {"content-type": "application/x-www-form-urlencoded"}, 415, "Content-Type"),
        ("--x", {"content-type": "multipart/form-data; boundary=x"}, 415, "Content-Type"),
        ("<a/>", {"content-type": "application/xml"}, 415, "Content-Type"),
        ("{}", {"content-type": ""}, 415, "Content-Type"),
    ],
    ids=[
        "object",
        "word",
        "nan",
        "surrogate",
        "deep",
        "bytes",
        "large",
        "text",
        "form",
        "multipart",
        "xml",
        "no-type",
    ],
)
def test_a_body_that_cannot_be_read_is_refused_on_every_route(
    functions: Functions, body: Any, headers: dict[str, str], status: int, field: str
) -> None:
    """Not JSON is 400, too large 413, another content type 415; the field is named and nothing is stored."""
    for path in POSTS:
        answer = functions.http("POST", real(path), body, headers=headers)
        assert answer.status == status, f"{path}: {answer.text[:300]}"
        assert [fault["field"] for fault in answer.json["errors"]] == [field]
        assert len(answer.text) < 2000, "what was sent is not sent back"
    assert functions.rows("task_histories") == functions.rows("documents") == 0


@pytest.mark.parametrize("body", ["[]", "null", '"text"', "7", "true", "{}"])
def test_json_of_another_shape_is_refused(functions: Functions, body: str) -> None:
    """JSON that is not the object asked for is 422, naming what is missing."""
    for path in BODIES.keys() - (NEEDS_NOTHING if body == "{}" else set()):
        answer = functions.http("POST", real(path), body)
        assert answer.status == 422, f"{path}: {answer.text}"
        assert answer.json["errors"][0]["field"]


@pytest.mark.parametrize("path", LISTS)
def test_lists_refuse_what_is_no_cursor_limit_or_project(functions: Functions, path: str) -> None:
    """An unknown cursor, a limit out of range and an unknown project are refused by name on every list."""
    foreign = "L3YxL290aGVyOjE"
    for query in ({"cursor": "x"}, {"cursor": foreign}, {"cursor": "x" * 501}, {"cursor": "\0"}, {"limit": 0},
                  {"limit": 201}, {"limit": "many"}, {"project": "nobody"}, {"project": "No Slug"}):  # fmt: skip
        answer = functions.http("GET", path, **query)
        assert answer.status == 422, f"{query}: {answer.text}"
        assert [fault["field"] for fault in answer.json["errors"]] == list(query)


@pytest.mark.parametrize(
    ("path", "field"),
    [("/v1/tasks/7", "task_id"), ("/v1/tasks/7/events", "task_id"), ("/v1/agents/x", "agent_id"),
     ("/v1/documents/x", "document_id"), ("/v1/dead-letters/x", "letter_id"), ("/v1/schedules/x", "schedule_id"),
     ("/v1/tasks/7/stages/a/tasks", "task_id"),
     (f"/v1/tasks/{UUID(int=0)}/stages/Name/tasks", "stage"), ("/v1/templates/a/versions/0", "version"),
     ("/v1/templates/a/versions/x", "version"), ("/v1/templates/a/versions/99999999999", "version")],
)  # fmt: skip
def test_an_id_that_is_none_is_refused(functions: Functions, path: str, field: str) -> None:
    """A path whose id cannot be one is 422 naming it."""
    answer = functions.http("GET", path)
    assert answer.status == 422
    assert [fault["field"] for fault in answer.json["errors"]] == [field]


@pytest.mark.parametrize("redis_away", [False, True])
def test_over_the_rate_limit(functions: Functions, redis_away: bool) -> None:
    """Over the limit every route is 429 with Retry-After, by caller, with the count in Redis or, without it, here."""
    url = absent.redis_url() if redis_away else functions.parts.settings.redis_url
    functions.parts.limiter = RateLimiter(url, 3)
    left = [
        functions.http("GET", "/v1/openapi.json").headers["ratelimit"].partition(";t")[0] for _ in range(3)
    ]
    assert left == ['"default";r=2', '"default";r=1', '"default";r=0']
    for method, path in OPERATIONS:
        answer = functions.http(method, real(path), body_of(method, path))
        assert answer.status == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.json["retryable"] is True


def test_callers_are_limited_each_on_their_own(functions: Functions) -> None:
    """One caller's requests take nothing from another's."""
    functions.parts.limiter = RateLimiter(functions.parts.settings.redis_url, 1)
    assert functions.http("GET", "/v1/openapi.json", caller="10.0.0.1").status == 200
    assert functions.http("GET", "/v1/openapi.json", caller="10.0.0.1").status == 429
    assert functions.http("GET", "/v1/openapi.json", caller="10.0.0.2").status == 200


def test_without_the_database_every_route_says_when_to_come_back(functions: Functions) -> None:
    """When Postgres is away, what needs it is 503 with Retry-After, and tells nothing of the inside."""
    functions.lose_database()
    for method, path in OPERATIONS:
        if path.startswith("/v1/health") or path == "/v1/openapi.json":
            continue
        answer = functions.http(method, real(path), body_of(method, path, **PUBLISHED))
        assert answer.status == 503, f"{method} {path}: {answer.text}"
        assert int(answer.headers["retry-after"]) >= 1
        assert "127.0.0.1" not in answer.text


PUBLISHED = {
    "/v1/templates": {
        "template": {"name": "one", "stages": [{"name": "a", "queue": "agent", "capability": "test.do"}]},
    }
}


def test_without_redis_every_route_still_answers(functions: Functions) -> None:
    """When Redis is away, every route but that of new schedules answers as before: only speed suffers."""
    functions.parts.redis = connect(absent.redis_url())
    for method, path in OPERATIONS:
        answer = functions.http(method, real(path), body_of(method, path, **PUBLISHED))
        assert answer.status in ({404} if "{" in path else {200, 201, 202, 503}), (
            f"{method} {path}: {answer.text}"
        )
        told_by_redis = path == "/v1/health/cache" or (method, path) == ("POST", TOLD_BY_REDIS)
        assert (answer.status == 503) == told_by_redis


def test_an_unexpected_error_tells_nothing(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is a 500 problem that can be found in the log by its trace_id, and tells no more."""

    def explode(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("steersman.tasks.page_store.page", explode)
    answer = functions.http("GET", "/v1/tasks", described=False)
    assert (answer.status, answer.json["type"]) == (500, "urn:steersman:problem:internal")
    assert "secret" not in answer.text


def test_the_description_is_served(functions: Functions) -> None:
    """GET /v1/openapi.json is the committed document."""
    assert functions.http("GET", "/v1/openapi.json").json == committed()
