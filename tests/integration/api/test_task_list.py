"""Listing, filtering and cancelling tasks over HTTP."""

from typing import Any

import pytest

from tests.fixtures.functions import Functions
from tests.integration.api.requests import fields_of, submit


def listed(functions: Functions, **query: Any) -> list[str]:
    """Return the ids on all pages of a list of two a page, newest first."""
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = functions.http("GET", "/v1/tasks", limit=2, **cursor, **query).json
        ids += [task["id"] for task in page["tasks"]]
        assert len(page["tasks"]) <= 2
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}


def test_a_list_pages_through_everything_once(functions: Functions) -> None:
    """Pages hold every task once, newest first, though new ones come meanwhile; the last page says so."""
    ids = [submit(functions)["id"] for _ in range(5)]
    first = functions.http("GET", "/v1/tasks", limit=2).json
    submit(functions)
    rest = functions.http("GET", "/v1/tasks", limit=200, cursor=first["next_cursor"]).json
    assert [task["id"] for task in first["tasks"] + rest["tasks"]][1:] == ids[::-1][1:]
    assert rest["next_cursor"] is None
    assert functions.http("GET", "/v1/tasks", limit=6).json["next_cursor"] is None


def test_every_filter_filters(functions: Functions) -> None:
    """Status, template, priority, labels and times select what they say, alone and together, over all pages."""
    a = submit(functions, priority="high", labels={"team": "x", "k": "1"})["id"]
    b = submit(functions, template="quick_answer", labels={"team": "x"})["id"]
    c = submit(functions, template="quick_answer", labels={"team": "y:z"})["id"]
    functions.http("POST", f"/v1/tasks/{b}/cancel")
    created = functions.http("GET", f"/v1/tasks/{b}").json["created_at"]
    assert listed(functions) == [c, b, a]
    assert listed(functions, status="cancelled") == [b]
    assert listed(functions, template="quick_answer") == [c, b]
    assert listed(functions, priority="high") == [a]
    assert listed(functions, label=["team:x"]) == [b, a]
    assert listed(functions, label=["team:x", "k:1"]) == [a]
    assert listed(functions, label=["team:y:z"]) == [c]
    assert listed(functions, template="quick_answer", status="pending") == [c]
    assert set(listed(functions, created_after=created)) | {a} == {a, b, c}
    assert set(listed(functions, created_before=created)) <= {a, b}
    assert listed(functions, created_after="1969-01-01T00:00:00Z") == [c, b, a]
    assert listed(functions, created_before="1969-01-01T00:00:00Z") == []
    assert listed(functions, created_after="9999-12-31T23:59:59Z") == []
    assert listed(functions, template="nowhere") == []


@pytest.mark.parametrize(
    "query",
    [{"status": "open"}, {"priority": "now"}, {"label": "no-colon"}, {"created_after": "yesterday"},
     {"created_before": "2026-13-01T00:00:00Z"}, {"template": "a\0b"}, {"label": "k:\0"}],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused(functions: Functions, query: dict[str, Any]) -> None:
    """A filter's value out of its range is 422 naming the filter."""
    answer = functions.http("GET", "/v1/tasks", **query)
    assert answer.status == 422
    assert fields_of(answer)[0].split(".")[0] == next(iter(query))


def test_a_cancelled_task_does_nothing_more(functions: Functions) -> None:
    """Cancel answers with the cancelled task, also twice, with or without a body; an ended task is 409."""
    task_id = submit(functions)["id"]
    answer = functions.http("POST", f"/v1/tasks/{task_id}/cancel", {"reason": "changed my mind"})
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert answer.json["error"]["message"] == "changed my mind"
    assert functions.http("POST", f"/v1/tasks/{task_id}/cancel").status == 200
    functions.work()
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["status"] == "cancelled"
    functions.parts.database.run("UPDATE task_histories SET status = 'completed'")
    assert functions.http("POST", f"/v1/tasks/{task_id}/cancel").status == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"why": "x"}, "why"),
        ({"reason": "a\0"}, "reason"),
    ],
)
def test_a_wrong_cancellation_cancels_nothing(functions: Functions, body: Any, field: str) -> None:
    """A cancellation that is refused by field leaves the task as it was."""
    task_id = submit(functions)["id"]
    answer = functions.http("POST", f"/v1/tasks/{task_id}/cancel", body)
    assert (answer.status, fields_of(answer)) == (422, [field])
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["status"] == "pending"
