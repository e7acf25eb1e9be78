"""Pauses over HTTP: of tasks, templates and queues."""

from typing import Any

import pytest

from tests.fixtures.functions import Answer, Functions
from tests.integration.api.requests import echo, fields_of, status, submit, submitted, with_key

QUEUE = {"scope": "queue", "name": "agent"}
TEMPLATE = {"scope": "template", "name": "mine"}


def pause(functions: Functions, order: dict[str, Any]) -> Answer:
    return functions.http("POST", "/v1/pauses", order)


def end(functions: Functions, order: dict[str, Any], **query: Any) -> Answer:
    """End a pause, and have the worker read at once what is paused now."""
    answer = functions.http("DELETE", f"/v1/pauses/{order['scope']}/{order['name']}", **query)
    functions.parts.engine._pauses._until = 0.0
    return answer


def two_stages(functions: Functions) -> str:
    return submitted(functions, echo("first"), echo("second", "first"))


@pytest.mark.parametrize("order", [QUEUE, TEMPLATE])
def test_nothing_of_a_paused_template_or_queue_begins(functions: Functions, order: dict[str, Any]) -> None:
    """While a template or a queue is paused its tasks stay open and no stage begins; then all of them complete."""
    before = two_stages(functions)
    assert pause(functions, {**order, "reason": "being mended"}).status == 200
    meanwhile = two_stages(functions)
    functions.work()
    assert [status(functions, one) for one in (before, meanwhile)] == ["running", "running"]
    stages = functions.http("GET", f"/v1/tasks/{before}").json["stages"]
    assert [stage["status"] for stage in stages] == ["ready", "pending"]
    assert end(functions, order).status == 204
    functions.work()
    assert [status(functions, one) for one in (before, meanwhile)] == ["completed", "completed"]


def test_other_templates_go_on(functions: Functions) -> None:
    """A pause of one template stops no other."""
    other = submitted(functions, echo("first"), name="other")
    task_id = two_stages(functions)
    pause(functions, TEMPLATE)
    functions.work()
    assert (status(functions, other), status(functions, task_id)) == ("completed", "running")


def test_pauses_are_listed(functions: Functions) -> None:
    """The list says what is paused, by whom, why and since when; a second order changes nothing, an end removes it."""
    two_stages(functions)
    first = pause(functions, {**QUEUE, "reason": "being mended"}).json
    assert pause(functions, {**QUEUE, "reason": "another"}).json == first
    pause(functions, TEMPLATE)
    found = functions.http("GET", "/v1/pauses").json["pauses"]
    assert [(one["scope"], one["name"], one["reason"]) for one in found] == [
        ("queue", "agent", "being mended"),
        ("template", "mine", None),
    ]
    assert found[0] == first
    assert first["by"] == "address:127.0.0.1"
    end(functions, QUEUE)
    assert [one["scope"] for one in functions.http("GET", "/v1/pauses").json["pauses"]] == ["template"]


def test_a_pause_under_its_key_is_answered_again(functions: Functions) -> None:
    """The same order under its Idempotency-Key has the same reply; another one under it is refused."""
    first, second = (with_key(functions, QUEUE, path="/v1/pauses") for _ in range(2))
    assert (first.status, first.text) == (200, second.text)
    assert with_key(functions, {**QUEUE, "name": "intent"}, path="/v1/pauses").status == 422


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"scope": "queue", "name": "nowhere"}, "name"),
        ({"scope": "template", "name": "nowhere"}, "name"),
        ({"scope": "project", "name": "default"}, "scope"),
        ({"scope": "queue"}, "name"),
        ({"scope": "queue", "name": ""}, "name"),
        ({"scope": "queue", "name": "agent", "reason": ""}, "reason"),
        ({"scope": "queue", "name": "agent", "project": "nobody"}, "project"),
        ({"scope": "queue", "name": "agent", "until": "noon"}, "until"),
    ],
)
def test_a_wrong_pause_is_refused_by_field(functions: Functions, order: dict[str, Any], field: str) -> None:
    """What cannot be paused is 422 with the field, and nothing is paused."""
    refused = pause(functions, order)
    assert (refused.status, fields_of(refused)) == (422, [field]), refused.text
    assert functions.rows("pauses") == 0


def test_what_is_not_paused_cannot_be_ended(functions: Functions) -> None:
    """Ending a pause that is not there is 404 and says where to look; a scope that is none is 422."""
    missing = end(functions, QUEUE)
    assert (missing.status, "GET /v1/pauses" in missing.json["detail"]) == (404, True)
    refused = end(functions, {"scope": "project", "name": "default"})
    assert (refused.status, fields_of(refused)) == (422, ["scope"])
    assert end(functions, QUEUE, project="nobody").status == 422


def test_a_paused_task_stands_still(functions: Functions) -> None:
    """A paused task tells since when, by whom and why; none of its stages begins until it is resumed."""
    task_id = two_stages(functions)
    paused = functions.http("POST", f"/v1/tasks/{task_id}/pause", {"reason": "wait for the data"}).json
    assert (paused["paused"]["by"], paused["paused"]["reason"]) == ("address:127.0.0.1", "wait for the data")
    assert paused["paused"]["at"]
    functions.work()
    stages = functions.http("GET", f"/v1/tasks/{task_id}").json["stages"]
    assert [stage["status"] for stage in stages] == ["ready", "pending"]
    resumed = functions.http("POST", f"/v1/tasks/{task_id}/resume").json
    assert resumed["paused"] is None
    assert resumed["deadline_at"] > paused["deadline_at"]
    functions.work()
    assert status(functions, task_id) == "completed"
    types = [one["type"] for one in functions.http("GET", f"/v1/tasks/{task_id}/events").json["events"]]
    assert types.count("steersman.task.paused.v1") == types.count("steersman.task.resumed.v1") == 1


def test_pausing_and_resuming_twice_does_no_harm(functions: Functions) -> None:
    """A paused task that is paused again keeps its first reason; one that is not paused can be resumed."""
    task_id = two_stages(functions)
    first = functions.http("POST", f"/v1/tasks/{task_id}/pause", {"reason": "one"}).json["paused"]
    again = functions.http("POST", f"/v1/tasks/{task_id}/pause", {"reason": "two"})
    assert (again.status, again.json["paused"]) == (200, first)
    for _ in range(2):
        assert functions.http("POST", f"/v1/tasks/{task_id}/resume").status == 200


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_only_an_open_task_is_paused_or_resumed(functions: Functions, action: str) -> None:
    """A task that has ended is 409 and says how it ended; one that is not there is 404."""
    task_id = two_stages(functions)
    functions.work()
    refused = functions.http("POST", f"/v1/tasks/{task_id}/{action}")
    assert (refused.status, "is completed already" in refused.json["detail"]) == (409, True)
    absent = "01900000-0000-7000-8000-000000000009"
    assert functions.http("POST", f"/v1/tasks/{absent}/{action}").status == 404


def test_pauses_of_tasks_under_their_key_are_answered_again(functions: Functions) -> None:
    """The same pause under its Idempotency-Key has the same reply, though the task was resumed meanwhile."""
    path = f"/v1/tasks/{submit(functions)['id']}"
    first = with_key(functions, {"reason": "a"}, path=f"{path}/pause")
    functions.http("POST", f"{path}/resume")
    assert with_key(functions, {"reason": "a"}, path=f"{path}/pause").text == first.text
    assert functions.http("GET", path).json["paused"] is None
    assert with_key(functions, {"reason": "b"}, path=f"{path}/pause").status == 422
