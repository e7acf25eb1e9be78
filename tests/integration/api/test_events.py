"""Following a task's events over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.functions import Functions
from tests.fixtures.waiting import wait_for_a_reader
from tests.integration.api.requests import fields_of, submit


def test_events_are_followed_by_long_poll(functions: Functions) -> None:
    """A client that asks again with the cursor gets every event once, as CloudEvents, and learns of the end."""
    task_id = submit(functions, template="quick_answer")["id"]
    path = f"/v1/tasks/{task_id}/events"
    first = functions.http("GET", path).json
    assert [event["type"] for event in first["events"]] == [
        "steersman.task.submitted.v1",
        "steersman.stage.ready.v1",
    ]
    assert functions.http("GET", path, after=first["cursor"]).json == {**first, "events": []}
    functions.work()
    rest = functions.http("GET", path, after=first["cursor"], wait_s=25).json
    assert rest["ended"]
    assert rest["events"][-1]["type"] == "steersman.task.completed.v1"
    ids = [event["id"] for event in first["events"] + rest["events"]]
    assert len(set(ids)) == len(ids) == functions.rows("task_events")
    assert {event["source"] for event in rest["events"]} == {f"/v1/tasks/{task_id}"}


def test_a_waiting_poll_is_answered_by_the_next_event(functions: Functions) -> None:
    """A poll that waits returns as soon as something happens, long before its time is over."""
    task_id = submit(functions)["id"]
    path = f"/v1/tasks/{task_id}/events"
    cursor = functions.http("GET", path).json["cursor"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(functions.http, "GET", path, after=cursor, wait_s=25)
        wait_for_a_reader(functions.parts.redis)
        functions.http("POST", f"/v1/tasks/{task_id}/cancel")
        answer = waiting.result(20).json
    assert answer["ended"]
    assert answer["events"][-1]["type"] == "steersman.task.cancelled.v1"


@pytest.mark.parametrize(
    ("query", "field"),
    [({"after": "nonsense"}, "after"), ({"after": "a\0b"}, "after"), ({"wait_s": 26}, "wait_s"),
     ({"wait_s": -1}, "wait_s"), ({"wait_s": "long"}, "wait_s"), ({"wait_s": "nan"}, "wait_s")],
)  # fmt: skip
def test_a_wrong_poll_is_refused(functions: Functions, query: dict[str, Any], field: str) -> None:
    """A cursor that is none, or a wait out of its range, is 422 by name."""
    answer = functions.http("GET", f"/v1/tasks/{submit(functions)['id']}/events", **query)
    assert (answer.status, fields_of(answer)) == (422, [field])


def test_an_unknown_task_is_not_found(functions: Functions) -> None:
    """Reading, following and cancelling what is not there is 404."""
    path = f"/v1/tasks/{uuid4()}"
    answers = [
        functions.http("GET", path),
        functions.http("GET", f"{path}/events"),
        functions.http("POST", f"{path}/cancel"),
    ]
    assert [answer.status for answer in answers] == [404] * 3
