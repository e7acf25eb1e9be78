"""Waiting for a task's end over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.functions import Functions
from tests.fixtures.waiting import wait_for_a_reader
from tests.integration.api.requests import fields_of, submit


def test_the_end_answers_who_waits_for_it(functions: Functions) -> None:
    """A request with `wait_s` is answered once, by the task's end, with all that a later request shows."""
    path = f"/v1/tasks/{submit(functions)['id']}"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(functions.http, "GET", path, wait_s=25)
        wait_for_a_reader(functions.parts.redis)
        functions.http("POST", f"{path}/cancel", {"reason": "not needed"})
        answer = waiting.result(20).json
    assert (answer["status"], answer["error"]["message"]) == ("cancelled", "not needed")
    assert answer == functions.http("GET", path).json


def test_a_task_that_is_done_is_answered_at_once(functions: Functions) -> None:
    """Whoever waits for what has ended gets it, with its output."""
    path = f"/v1/tasks/{submit(functions, template='quick_answer')['id']}"
    functions.work()
    answer = functions.http("GET", path, wait_s=25).json
    assert answer["status"] == "completed"
    assert answer["output"] is not None


@pytest.mark.parametrize("query", [{}, {"wait_s": 0}, {"wait_s": 0.01}])
def test_an_open_task_is_shown_when_the_time_is_over(functions: Functions, query: dict[str, Any]) -> None:
    """Without a wait, or after it, the answer is 200 with the task as it is then."""
    answer = functions.http("GET", f"/v1/tasks/{submit(functions)['id']}", **query)
    assert (answer.status, answer.json["status"]) == (200, "pending")


@pytest.mark.parametrize("wait_s", [-1, 25.1, 26, "long", "nan", "inf", ""])
def test_a_wrong_wait_is_refused(functions: Functions, wait_s: Any) -> None:
    """A wait out of its range, or that is no number, is 422 by name."""
    answer = functions.http("GET", f"/v1/tasks/{submit(functions)['id']}", wait_s=wait_s)
    assert (answer.status, fields_of(answer)) == (422, ["wait_s"])


def test_an_unknown_task_is_not_waited_for(functions: Functions) -> None:
    """Waiting for what is not there is 404."""
    assert functions.http("GET", f"/v1/tasks/{uuid4()}", wait_s=25).status == 404
