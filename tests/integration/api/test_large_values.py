"""Large values over HTTP: taken up to 5 MB, shown whole, kept in the bucket."""

import json
from typing import Any
from uuid import UUID

import pytest

from steersman.aws.fakes import MemoryObjects
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.json import dumps
from steersman.tasks import page_store
from steersman.tasks.payloads import Payloads
from steersman.tasks.references import MAX_PAYLOAD_BYTES, reference_in
from tests.fixtures.aws import BUCKET
from tests.fixtures.functions import Answer, Functions
from tests.integration.api.requests import nothing_stored, submit, with_key

LAMBDA_BYTES = 6 * 1024 * 1024  # what a function may answer, as JSON with the body as a string in it
LARGE = {"text": "é" * 65_536}
STAGE = {"name": "a", "queue": "agent", "capability": "test.echo"}


@pytest.fixture(autouse=True)
def echoing(functions: Functions) -> None:
    """A template whose output is the task's input, by the built-in agent `echo`."""
    agents = functions.http("GET", "/v1/agents", limit=200).json["agents"]
    capability = next(c["name"] for a in agents if a["name"] == "echo" for c in a["capabilities"])
    template = {"name": "echo", "stages": [{**STAGE, "capability": capability}]}
    assert functions.http("POST", "/v1/templates", {"template": template}).status == 201


def done(functions: Functions, value: Any) -> str:
    """Let a task with this input, and so this output, complete."""
    task_id = str(submit(functions, template="echo", input=value)["id"])
    functions.work()
    return task_id


def of_size(size: int, character: str = "x") -> dict[str, str]:
    """Return a value whose JSON has `size` bytes; made of quotes it has twice as many again in Lambda's answer."""
    each = len(dumps(character)) - 2
    return {"text": character * ((size - len(dumps({"text": ""}))) // each)}


def answer_bytes(answer: Answer) -> int:
    return len(json.dumps({"body": answer.text, "headers": answer.headers}).encode())


def reason(value: Any) -> str:
    """Return the code that stands beside a reference."""
    assert reference_in(value) is not None
    return str(value["$payload"]["code"])


def test_a_large_input_goes_in_and_comes_back(functions: Functions) -> None:
    """A task takes an input over 64 KiB like any other: agents and readers see it as it was, rows have references."""
    task_id = done(functions, LARGE)
    for _ in range(2):  # from PostgreSQL, and from the live view
        task = functions.http("GET", f"/v1/tasks/{task_id}").json
        assert (task["status"], task["input"], task["output"]) == ("completed", LARGE, LARGE)
    (row,) = functions.parts.database.run("SELECT input, output FROM task_histories")
    assert reference_in(row["input"]) == reference_in(row["output"]) is not None
    assert [key.split("/")[:3:2] for key in functions.stored_objects()] == [["payloads", task_id]]
    (listed,) = functions.http("GET", "/v1/tasks", include="output").json["tasks"]
    assert listed["output"] == LARGE
    view, _ = functions.parts.live.view(UUID(task_id))
    assert view is not None
    assert reference_in(view["input"]) is not None, "Redis does not hold large values either"


def test_a_batch_takes_large_inputs_too(functions: Functions) -> None:
    """Small and large inputs of a batch come to their own tasks, in order."""
    inputs = [{"n": 0}, {"n": 1, **LARGE}, {"n": 2}, {"n": 3, **LARGE}]
    tasks = [{"template": "echo", "input": value} for value in inputs]
    answer = functions.http("POST", "/v1/tasks/batch", {"tasks": tasks})
    functions.work()
    found = [functions.http("GET", f"/v1/tasks/{task['id']}").json for task in answer.json["tasks"]]
    assert [task["input"] for task in found] == [task["output"] for task in found] == inputs
    assert len(functions.stored_objects()) == 2


def test_nobody_reads_another_s_object_by_describing_it(functions: Functions) -> None:
    """An input that looks like a reference is an input: it comes back to the letter, and leads nowhere."""
    secret = done(functions, LARGE)
    (row,) = functions.parts.database.run("SELECT input FROM task_histories")
    forged = done(functions, row["input"])
    task = functions.http("GET", f"/v1/tasks/{forged}").json
    assert task["input"] == task["output"] == row["input"]
    assert secret in row["input"]["$payload"]["key"]


def test_a_store_that_is_away_accepts_nothing_large(functions: Functions) -> None:
    """Without S3 a task with a large input is 503 with nothing stored; the same request is accepted when it is back."""
    away = MemoryObjects()
    away.away = True
    submissions = functions.parts.submissions
    real, submissions._payloads = submissions._payloads, Payloads(away)
    body = {"template": "echo", "input": LARGE}
    answer = with_key(functions, body)
    assert (answer.status, answer.json["retryable"]) == (503, True)
    assert nothing_stored(functions)
    assert submit(functions, template="echo", input={"small": 1})
    submissions._payloads = real
    assert with_key(functions, body).status == 202


def test_a_task_is_not_shown_by_halves(functions: Functions) -> None:
    """While S3 is away reading a task with a large value is 503 with Retry-After; one without is shown."""
    large, small = done(functions, LARGE), done(functions, {"n": 1})
    away = MemoryObjects()
    away.away = True
    functions.parts.tasks._payloads = Payloads(away)
    for path in (f"/v1/tasks/{large}", "/v1/tasks"):
        answer = functions.http("GET", path, include="output")
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert functions.http("GET", f"/v1/tasks/{small}").status == 200
    assert functions.http("GET", "/v1/tasks").status == 200


def test_a_value_past_its_retention_is_named(functions: Functions) -> None:
    """A task outlives its large values: it is shown with their references and why they are not there."""
    task_id = done(functions, LARGE)
    for key in functions.stored_objects():
        functions.s3.delete_object(Bucket=BUCKET, Key=key)
    task = functions.http("GET", f"/v1/tasks/{task_id}").json
    assert task["status"] == "completed"
    assert reason(task["input"]) == reason(task["output"]) == "payload_gone"
    assert "retention" in task["output"]["$payload"]["reason"]
    (listed,) = functions.http("GET", "/v1/tasks", include="output").json["tasks"]
    assert reason(listed["output"]) == "payload_gone"


def test_an_answer_never_outgrows_lambda(functions: Functions) -> None:
    """Where input and output do not both fit, the output is shown and the input told how to be read; alone it is."""
    value = of_size(MAX_PAYLOAD_BYTES)
    task_id = done(functions, value)
    answer = functions.http("GET", f"/v1/tasks/{task_id}")
    assert answer.json["output"] == value
    assert reason(answer.json["input"]) == "too_large"
    assert "?include=" in answer.json["input"]["$payload"]["reason"]
    alone = functions.http("GET", f"/v1/tasks/{task_id}", include="input")
    assert alone.json["input"] == value
    assert reason(alone.json["output"]) == "not_included"
    other = functions.http("GET", f"/v1/tasks/{task_id}", include=["input", "output"])
    assert other.json["input"] == value
    assert max(map(answer_bytes, (answer, alone, other))) < LAMBDA_BYTES


def test_a_value_that_no_answer_holds_is_named(functions: Functions) -> None:
    """JSON that is mostly quotes is twice as long in Lambda's answer: then its key in the bucket is shown."""
    task_id = str(submit(functions, template="echo", input={"n": 1})["id"])
    (kept,) = functions.parts.payloads.keep([(task_uuid(functions), dumps(of_size(4_000_000, '"')))])
    assert not isinstance(kept, Exception)
    functions.parts.database.run(
        "UPDATE task_histories SET output = %(output)s::jsonb", {"output": json.dumps(kept.document())}
    )
    task = functions.http("GET", f"/v1/tasks/{task_id}").json
    assert reason(task["output"]) == "too_large"
    assert task["output"]["$payload"]["key"] == kept.key
    assert functions.http("GET", f"/v1/tasks/{task_id}", include="output").json["output"] == task["output"]
    (listed,) = functions.http("GET", "/v1/tasks", include="output").json["tasks"]
    assert reason(listed["output"]) == "too_large"


def task_uuid(functions: Functions) -> Any:
    return functions.parts.database.run("SELECT id FROM task_histories")[0]["id"]


@pytest.mark.parametrize("include", ["", "stages", ["input", "error"]])
def test_what_cannot_be_included_is_refused(functions: Functions, include: Any) -> None:
    """To ask for another value than input and output is 422 naming the parameter."""
    task_id = submit(functions)["id"]
    answer = functions.http("GET", f"/v1/tasks/{task_id}", include=include)
    assert answer.status == 422
    assert {error["field"].partition(".")[0] for error in answer.json["errors"]} == {"include"}


def test_pages_with_large_outputs_hold_everything_once(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ends before its answer outgrows Lambda, and the pages hold every task once, with its real output."""
    outputs = [{"n": 0}, *({"n": n, **of_size(1_500_000)} for n in range(1, 6)), {"n": 6}]
    ids = [done(functions, value) for value in outputs]
    for page_bytes in (page_store.PAGE_BYTES, 50_000_000):  # by the rows' sum, and by what the answer holds
        monkeypatch.setattr(page_store, "PAGE_BYTES", page_bytes)
        found, cursor, pages = list[Any](), dict[str, Any](), 0
        while cursor or not pages:
            answer = functions.http("GET", "/v1/tasks", include="output", limit=200, **cursor)
            assert answer_bytes(answer) < LAMBDA_BYTES
            found += answer.json["tasks"]
            following = answer.json["next_cursor"]
            cursor, pages = {"cursor": following} if following else {}, pages + 1
        assert [(task["id"], task["output"]) for task in found] == list(zip(ids, outputs, strict=True))[::-1]
        assert 1 < pages < 5


def test_cancelling_answers_without_large_values(functions: Functions) -> None:
    """The answer to a cancel is kept for repeats, so large values are left out of it; it says where they are shown."""
    task_id = submit(functions, template="echo", input=LARGE)["id"]
    answer = functions.http("POST", f"/v1/tasks/{task_id}/cancel", {})
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert reason(answer.json["input"]) == "not_included"
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["input"] == LARGE


def test_a_page_reads_no_more_than_it_shows(functions: Functions) -> None:
    """Large outputs that lie behind a page stay in the bucket: the page ends where their sizes say."""
    for number in range(5):
        done(functions, {"n": number, **of_size(1_500_000)})
    rows, more = page_store.page(
        functions.parts.database, DEFAULT_PROJECT_ID, filters={}, before=None, limit=200, outputs=True
    )
    assert (len(rows), more) == (2, True)
