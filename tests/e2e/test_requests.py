"""What holds on every route: conventions, idempotency, cancelling."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.agent import HeldAgent
from tests.e2e.local_cloud import Steersman, until

TASK = {"template": "simple_lookup", "input": {"question": "How tall was the lighthouse of Pharos?"}}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/tasks", 200),
        ("/v1/agents", 200),
        ("/v1/health", 200),
        ("/v1/openapi.json", 200),
        ("/v1/none", 404),
    ],
)
def test_every_answer_carries_the_conventions(steersman: Steersman, path: str, status: int) -> None:
    """Each answer has security headers, rate limits and the correlation id that the client gave."""
    answer = steersman.http.get(path, headers={"x-correlation-id": "e2e-1"})
    assert answer.status_code == status
    assert answer.headers["x-correlation-id"] == "e2e-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert ";w=60" in answer.headers["ratelimit-policy"]
    assert answer.headers["ratelimit"]


def test_all_parts_are_well(steersman: Steersman) -> None:
    """The health of each part is told under its own route."""
    for part in ("database", "cache", "llm"):
        answer = steersman.http.get(f"/v1/health/{part}")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert steersman.http.get("/v1/health/queues").status_code == 200


def test_the_api_describes_itself(steersman: Steersman) -> None:
    """The OpenAPI document that the API serves lists the routes that answer."""
    document = steersman.http.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/tasks", "/v1/documents", "/v1/templates", "/v1/agents"} <= set(document["paths"])


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/v1/tasks", TASK, {**TASK, "priority": "high"}),
        ("/v1/tasks/batch", {"tasks": [TASK, TASK]}, {"tasks": [TASK]}),
        (
            "/v1/documents",
            {"source_uri": "test:once.md", "media_type": "text/markdown", "content": "Once is enough."},
            {"source_uri": "test:once.md", "media_type": "text/markdown", "content": "Twice is too much."},
        ),
    ],
)
def test_a_key_has_one_effect(
    steersman: Steersman, path: str, body: dict[str, Any], other: dict[str, Any]
) -> None:
    """The same request twice under one Idempotency-Key has one effect; another body under it is refused."""
    headers = {"idempotency-key": f"e2e{path}"}
    first, second = (steersman.http.post(path, json=body, headers=headers) for _ in range(2))
    assert first.is_success, first.text
    assert first.status_code == second.status_code
    assert ids_in(first.json()) == ids_in(second.json())
    refused = steersman.http.post(path, json=other, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_cancelled_task_starts_no_further_stage(
    steersman: Steersman, agent: HeldAgent, request: pytest.FixtureRequest
) -> None:
    """Cancelling ends a task at once; the stage in hand may end, but its late result starts nothing."""
    task_id = steersman.submit("held_work", {"hold": request.node.name})
    agent.arrived(task_id)
    for _ in range(2):
        answer = cancel(steersman, task_id)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    agent.let_go(request.node.name)
    probe = steersman.submit("held_work", {})
    assert steersman.ended(probe)["status"] == "completed"
    task = steersman.task(task_id)
    assert task["status"] == "cancelled"
    assert {stage["status"] for stage in task["stages"]} == {"cancelled"}
    assert agent.of(task_id) == [("work", 1)]


def behind_the_start(steersman: Steersman, task_id: str) -> str | None:
    """Return the cursor behind all that was told, once that is the start of a stage: its agent knows of it before."""
    page = steersman.events(task_id)
    return page["cursor"] if page["events"][-1]["type"] == "steersman.stage.started.v1" else None


def test_a_long_poll_is_answered_by_what_happens(
    steersman: Steersman, agent: HeldAgent, request: pytest.FixtureRequest
) -> None:
    """A long poll behind the last event waits, and is answered as soon as the next one happens."""
    task_id = steersman.submit("held_work", {"hold": request.node.name})
    agent.arrived(task_id)
    cursor = until(lambda: behind_the_start(steersman, task_id), "the start is told")
    assert steersman.events(task_id, cursor)["events"] == []
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(steersman.events, task_id, cursor, wait_s=20)
        agent.let_go(request.node.name)
        news = poll.result(30)["events"]
    assert (news[0]["subject"], news[0]["type"]) == ("work", "steersman.stage.completed.v1")


def test_what_has_ended_cannot_be_cancelled(steersman: Steersman) -> None:
    """Cancelling a completed task is a conflict, and one that is not there is not found."""
    done = steersman.ended(steersman.submit("simple_lookup", TASK["input"]))  # type: ignore[arg-type]
    assert cancel(steersman, done["id"]).status_code == 409
    assert cancel(steersman, "01900000-0000-7000-8000-000000000001").status_code == 404


def test_a_document_comes_and_goes(steersman: Steersman) -> None:
    """A document can be added, read, replaced by its source, and deleted with its original."""
    upload = {
        "source_uri": "test:brief.txt",
        "media_type": "text/plain",
        "content": "The brief life of a document.",
    }
    added = steersman.http.post("/v1/documents", json=upload)
    assert added.status_code == 201
    place = added.headers["location"]
    assert steersman.http.get(place).json() == added.json()
    replaced = steersman.http.post("/v1/documents", json={**upload, "content": "Its second life."})
    assert replaced.json()["id"] == added.json()["id"]
    assert steersman.http.delete(place).status_code == 204
    assert steersman.http.get(place).status_code == 404
    assert steersman.http.delete(place).status_code == 404


def ids_in(answer: dict[str, Any]) -> list[str]:
    return [one["id"] for one in answer.get("tasks", [answer])]


def cancel(steersman: Steersman, task_id: str) -> httpx.Response:
    return steersman.http.post(f"/v1/tasks/{task_id}/cancel", json={"reason": "no longer needed"})
