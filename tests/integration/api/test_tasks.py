"""Submitting tasks over HTTP, one and many."""

import re
from typing import Any

import pytest

from steersman.errors import Unavailable
from tests.fixtures.functions import Functions
from tests.integration.api.requests import QUESTION, fields_of, nothing_stored, submit


def test_a_submitted_task_can_be_read(functions: Functions) -> None:
    """202 tells where the task is; there it is with all that was submitted, its stages in template order."""
    body = {
        **QUESTION,
        "template": "complex_research",
        "priority": "high",
        "requirements": ["answer.compose"],
        "constraints": {"deadline_s": 60, "budget_usd": "1.50"},
        "labels": {"team": "search", "a/b": ""},
        "business_value": {"usd": "12.50", "kind": "time_saving"},
    }
    answer = functions.http("POST", "/v1/tasks", body, headers={"x-correlation-id": "trace-7"})
    accepted = answer.json
    assert answer.headers["location"] == f"/v1/tasks/{accepted['id']}"
    task = functions.http("GET", answer.headers["location"]).json
    assert {name: task[name] for name in accepted} == accepted
    assert (task["priority"], task["labels"], task["requirements"]) == (
        "high",
        body["labels"],
        body["requirements"],
    )
    assert (task["constraints"], task["input"]) == (body["constraints"], QUESTION["input"])
    assert (task["business_value_usd"], task["business_value_kind"]) == ("12.50", "time_saving")
    assert (task["requested_by"], task["requested_through"]) == ("address:127.0.0.1", "api")
    assert task["correlation_id"] == "trace-7"
    assert len(task["stages"]) == 6
    assert task["stages"][0]["status"] == "ready"
    assert task["stages"][1]["needs"] == ["intent"]


def test_times_have_milliseconds(functions: Functions) -> None:
    """Every time in every answer is RFC 3339 in UTC with milliseconds, the same in each."""
    accepted = submit(functions)
    task = functions.http("GET", f"/v1/tasks/{accepted['id']}").json
    (listed,) = functions.http("GET", "/v1/tasks").json["tasks"]
    times = [accepted["created_at"], accepted["deadline_at"], task["created_at"], task["updated_at"],
             task["stages"][0]["ready_at"], listed["created_at"]]  # fmt: skip
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment) for moment in times)
    assert accepted["created_at"] == task["created_at"]


def test_the_command_line_is_told_apart(functions: Functions) -> None:
    """A task says through what it was asked for."""
    answer = functions.http("POST", "/v1/tasks", QUESTION, headers={"user-agent": "steersman-cli/1"})
    task = functions.http("GET", f"/v1/tasks/{answer.json['id']}").json
    assert task["requested_through"] == "cli"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"template": "nowhere"}, "template"),
        ({"template": "Not A Name"}, "template"),
        ({"template": 7}, "template"),
        ({"template_version": 99}, "template_version"),
        ({"template_version": 0}, "template_version"),
        ({"template_version": 2**40}, "template_version"),
        ({"project": "nobody"}, "project"),
        ({"priority": "now"}, "priority"),
        ({"input": {}}, "input"),
        ({"input": {"question": ""}}, "input.question"),
        ({"input": {"question": "   "}}, "input.question"),
        ({"input": {"question": 7}}, "input.question"),
        ({"input": {"question": "x" * 1_000_000}}, "input.question"),
        ({"input": {"question": "x", "more": 1}}, "input"),
        ({"input": {"question": "a\0b"}}, "input.question"),
        ({"input": "text"}, "input"),
        ({"input": None}, "input"),
        ({"requirements": ["nobody.can"]}, "requirements.0"),
        ({"requirements": ["Not A Capability"]}, "requirements.0"),
        ({"requirements": "answer.compose"}, "requirements"),
        ({"constraints": {"deadline_s": 0}}, "constraints.deadline_s"),
        ({"constraints": {"budget_usd": -1}}, "constraints.budget_usd"),
        ({"constraints": {"budget_usd": "a lot"}}, "constraints.budget_usd"),
        ({"constraints": {"speed": 1}}, "constraints.speed"),
        ({"labels": {"k": "\0"}}, "labels.k"),
        ({"labels": {"k": "x" * 256}}, "labels.k"),
        ({"labels": {str(n): "" for n in range(51)}}, "labels"),
        ({"business_value": {"usd": -1}}, "business_value.usd"),
        ({"business_value": {"usd": 1, "kind": "fun"}}, "business_value.kind"),
        ({"priorty": "high"}, "priorty"),
    ],
)
def test_a_wrong_task_is_refused_by_field(functions: Functions, change: dict[str, Any], field: str) -> None:
    """Whatever is wrong is 422 with the field; nothing is stored, sent or kept, and the payload is not sent back."""
    answer = functions.http("POST", "/v1/tasks", {**QUESTION, **change}, headers={"idempotency-key": "k"})
    assert answer.status == 422, answer.text
    assert fields_of(answer) == [field]
    assert len(answer.text) < 2000
    assert nothing_stored(functions)
    assert functions.waiting() == 0


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize("value", [nested(101), nested(253), nested(500), "a\0b"])
def test_an_input_that_cannot_be_stored_is_refused(functions: Functions, value: Any) -> None:
    """An input that is nested too deeply or holds a NUL is refused, also by a template that takes any input."""
    publish_any(functions)
    answer = functions.http("POST", "/v1/tasks", {"template": "any_input", "input": {"deep": value}})
    assert answer.status == 422
    assert fields_of(answer)[0].startswith("input.deep")
    assert nothing_stored(functions)


def test_odd_numbers_are_taken_as_json_has_them(functions: Functions) -> None:
    """Numbers beyond 64 bits are floating point, as in most JSON; they do not break anything."""
    publish_any(functions)
    answer = functions.http(
        "POST", "/v1/tasks", '{"template": "any_input", "input": {"n": 123456789012345678901234567890}}'
    )
    assert answer.status == 202
    assert functions.http("GET", answer.headers["location"]).json["input"] == {"n": 1.2345678901234568e29}


def test_an_input_above_its_limit_is_too_large(functions: Functions) -> None:
    """More than 5 MB of input is 413 naming the field, the size and the limit, and leaves nothing."""
    publish_any(functions)
    large = {"template": "any_input", "input": {"text": "x" * 5_000_000}}
    answer = functions.http("POST", "/v1/tasks", large)
    assert (answer.status, fields_of(answer)) == (413, ["input"])
    assert "5000011 bytes; the limit is 5000000" in answer.json["errors"][0]["reason"]
    assert nothing_stored(functions)
    assert functions.stored_objects() == []


def publish_any(functions: Functions) -> None:
    template = {"name": "any_input", "stages": [{"name": "a", "queue": "agent", "capability": "test.do"}]}
    assert functions.http("POST", "/v1/templates", {"template": template}).status == 201


def test_a_thousand_tasks_are_one_statement(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 1,000 is accepted by one statement, in the order of the request, and each is sent on its way."""
    functions.http("POST", "/v1/tasks", QUESTION)
    database, statements = functions.parts.database, list[str]()
    run = database._tried
    monkeypatch.setattr(database, "_tried", lambda *a: (statements.append(a[0]), run(*a))[1])
    tasks = [{"input": {"question": f"number {n}?"}} for n in range(1000)]
    answer = functions.http("POST", "/v1/tasks/batch", {"tasks": tasks})
    assert answer.status == 202, answer.text[:500]
    ids = [task["id"] for task in answer.json["tasks"]]
    assert ids == sorted(set(ids))
    assert len(statements) == 2, "the templates, and the tasks"
    monkeypatch.undo()
    assert functions.rows("task_histories") == 1001
    assert functions.waiting() == 1 + 10 + 10, "ten messages in each lane: half of them are a flood"
    sample = functions.http("GET", f"/v1/tasks/{ids[617]}").json
    assert sample["input"] == {"question": "number 617?"}


def test_a_batch_is_accepted_all_or_none(functions: Functions) -> None:
    """One wrong task refuses the batch; every fault is named by the task's number and field, and nothing is stored."""
    wrong: list[dict[str, Any]] = [
        QUESTION,
        {"input": {"question": ""}},
        {**QUESTION, "template": "nowhere"},
        {**QUESTION, "requirements": ["nobody.can"]},
        {**QUESTION, "template_version": 9},
    ]
    answer = functions.http("POST", "/v1/tasks/batch", {"tasks": wrong}, headers={"idempotency-key": "k"})
    assert answer.status == 422
    assert fields_of(answer) == [
        "tasks.1.input.question", "tasks.2.template", "tasks.3.requirements.0", "tasks.4.template_version",
    ]  # fmt: skip
    answer = functions.http(
        "POST", "/v1/tasks/batch", {"tasks": [QUESTION, {**QUESTION, "project": "nobody"}]}
    )
    assert (answer.status, fields_of(answer)) == (422, ["tasks.1.project"])
    assert nothing_stored(functions)
    assert functions.waiting() == 0


@pytest.mark.parametrize(
    ("tasks", "field"),
    [
        ([], "tasks"),
        ([QUESTION] * 1001, "tasks"),
        ([QUESTION, 7], "tasks.1"),
        ([{"input": 7}], "tasks.0.input"),
    ],
    ids=["none", "too-many", "no-object", "no-input"],
)
def test_a_batch_of_another_shape_is_refused(functions: Functions, tasks: Any, field: str) -> None:
    """A batch has 1 to 1,000 tasks, each an object."""
    answer = functions.http("POST", "/v1/tasks/batch", {"tasks": tasks})
    assert answer.status == 422
    assert fields_of(answer)[0].startswith(field)


def test_thousands_of_faults_are_not_all_told(functions: Functions) -> None:
    """A body that is wrong everywhere is refused with a bounded answer."""
    for body in (
        {"tasks": [{"input": {}}] * 1000},
        {**{f"x{n}": n for n in range(5000)}, "tasks": [QUESTION]},
    ):
        answer = functions.http("POST", "/v1/tasks/batch", body)
        assert answer.status == 422
        assert len(answer.json["errors"]) <= 100


def test_a_task_that_nobody_can_be_told_of_is_begun_by_the_same_request(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SQS and Redis both away a submission is a 503, and the same request with its key begins the one task."""

    def away() -> None:
        raise Unavailable("the cache does not answer")

    with monkeypatch.context() as patch:
        client = functions.parts.queues._client
        patch.setattr(client, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
        patch.setattr(functions.parts.open_work, "submitted", away)
        refused = functions.http("POST", "/v1/tasks", QUESTION, headers={"idempotency-key": "once"})
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    monkeypatch.setattr(functions.parts.open_work, "submitted", away)
    accepted = functions.http("POST", "/v1/tasks", QUESTION, headers={"idempotency-key": "once"})
    assert accepted.status == 202
    assert functions.rows("task_histories") == 1
    functions.work()
    assert functions.http("GET", f"/v1/tasks/{accepted.json['id']}").json["status"] == "completed"


def test_queues_that_are_away_do_not_refuse_a_task(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task is accepted when it is stored; what SQS did not take is sent by the sweep."""
    from functions.ops import sweep

    with monkeypatch.context() as patch:
        patch.setattr(
            functions.parts.queues._client, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]}
        )
        task_id = submit(functions, template="quick_answer")["id"]
    assert functions.waiting() == 0
    eager = functions.parts.settings.model_copy(update={"stranded_after_s": -1.0})
    monkeypatch.setattr(functions.parts, "settings", eager)
    assert sweep.handler({}, None)["sent"] == 1
    functions.work()
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["status"] == "completed"
