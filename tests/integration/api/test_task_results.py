"""Reading results by pages over HTTP: `GET /v1/tasks?include=output`."""

import json
from typing import Any

import pytest

from steersman.ids import DEFAULT_PROJECT_ID
from steersman.tasks import page_store
from tests.fixtures.functions import Answer, Functions
from tests.integration.api.requests import fields_of, submit

LAMBDA_BYTES = 6 * 1024 * 1024  # what a function may answer, as JSON with the body as a string in it
# As large as an output may be, and twice as large as Lambda sends it.
LARGE = {"text": '"' * 125_000}


def fill(functions: Functions, count: int, output: Any) -> list[str]:
    """Submit tasks, let them have completed with an output, and return their ids, newest first."""
    ids = [submit(functions, template="quick_answer")["id"] for _ in range(count)]
    functions.parts.database.run(
        "UPDATE task_histories SET status = 'completed', output = %(output)s::jsonb",
        {"output": json.dumps(output)},
    )
    return ids[::-1]


def pages(functions: Functions, **query: Any) -> list[Answer]:
    """Return the answers for all pages of the list with outputs."""
    found: list[Answer] = []
    cursor: dict[str, Any] = {}
    while not found or cursor:
        answer = functions.http("GET", "/v1/tasks", include="output", **query, **cursor)
        assert answer.status == 200, answer.text[:500]
        found.append(answer)
        following = answer.json["next_cursor"]
        cursor = {"cursor": following} if following else {}
    return found


def test_outputs_and_errors_are_in_the_list_when_asked_for(functions: Functions) -> None:
    """Each listed task says what it came to, as reading it alone does; unasked, the list says nothing of it."""
    done = submit(functions, template="quick_answer")["id"]
    functions.work()
    cancelled = submit(functions)["id"]
    functions.http("POST", f"/v1/tasks/{cancelled}/cancel", {"reason": "changed my mind"})
    still_open = submit(functions)["id"]
    (answer,) = pages(functions)
    listed = {task["id"]: (task["output"], task["error"]) for task in answer.json["tasks"]}
    assert list(listed) == [still_open, cancelled, done]
    for task_id, found in listed.items():
        task = functions.http("GET", f"/v1/tasks/{task_id}").json
        assert found == (task["output"], task["error"])
    assert "answer" in listed[done][0]
    assert listed[cancelled][1]["message"] == "changed my mind"
    assert listed[still_open] == (None, None)
    bare = functions.http("GET", "/v1/tasks").json["tasks"]
    assert bare == [
        {k: v for k, v in t.items() if k not in {"output", "error"}} for t in answer.json["tasks"]
    ]


@pytest.mark.parametrize("include", ["output", ["output", "output"]])
def test_outputs_may_be_asked_for_twice(functions: Functions, include: Any) -> None:
    """What to include is given once, repeatedly or by commas, like labels."""
    submit(functions)
    (task,) = functions.http("GET", "/v1/tasks", include=include).json["tasks"]
    assert task["output"] is None


@pytest.mark.parametrize("include", ["input", "", "Output", ["output", "stages"]])
def test_an_unknown_include_is_refused(functions: Functions, include: Any) -> None:
    """To ask for what a list cannot include is 422 naming the parameter."""
    answer = functions.http("GET", "/v1/tasks", include=include)
    assert answer.status == 422
    assert {field.partition(".")[0] for field in fields_of(answer)} == {"include"}


def test_pages_with_outputs_hold_everything_once(functions: Functions) -> None:
    """Pages by `limit` hold every task once, newest first, with its output; the last page says so."""
    ids = fill(functions, 5, {"n": 1})
    found = pages(functions, limit=2)
    assert [len(answer.json["tasks"]) for answer in found] == [2, 2, 1]
    tasks = [task for answer in found for task in answer.json["tasks"]]
    assert [(task["id"], task["output"]) for task in tasks] == [(task_id, {"n": 1}) for task_id in ids]
    assert len(pages(functions, limit=5)) == 1
    assert pages(functions, template="nowhere")[0].json == {"tasks": [], "next_cursor": None}


def test_a_page_ends_before_lambda_would_refuse_it(functions: Functions) -> None:
    """However large outputs are, each answer passes through Lambda, and the pages hold every task once."""
    ids = fill(functions, 20, LARGE)
    found = pages(functions, limit=200)
    assert [task["id"] for answer in found for task in answer.json["tasks"]] == ids
    assert all(task["output"] == LARGE for answer in found for task in answer.json["tasks"])
    sizes = [len(json.dumps({"body": answer.text}).encode()) for answer in found]
    assert max(sizes) < LAMBDA_BYTES
    assert len(sizes) == 3, "no page ends long before it has to"
    assert len(functions.http("GET", "/v1/tasks", limit=200).json["tasks"]) == 20


def test_a_page_has_at_least_one_task(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs each larger than a page come one a page, rather than never."""
    monkeypatch.setattr(page_store, "PAGE_BYTES", 10)
    ids = fill(functions, 3, {"text": "x" * 100})
    assert [[t["id"] for t in answer.json["tasks"]] for answer in pages(functions)] == [[i] for i in ids]


def test_what_lies_behind_a_page_stays_in_the_database(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's statement returns the rows of the page alone, whatever more there is."""
    fill(functions, 20, LARGE)
    database, returned = functions.parts.database, list[Any]()
    run = database.run

    def spied(*given: Any, **more: Any) -> list[dict[str, Any]]:
        rows = run(*given, **more)
        returned.extend(rows)
        return rows

    monkeypatch.setattr(database, "run", spied)
    rows, more = page_store.page(
        database, DEFAULT_PROJECT_ID, filters={}, before=None, limit=200, outputs=True
    )
    assert more
    assert len(rows) == len(returned) == 7
