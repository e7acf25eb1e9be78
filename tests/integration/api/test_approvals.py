"""Approvals over HTTP: what waits for an answer, who may give it, and what an answer leads to."""

from typing import Any

import pytest

from steersman.errors import Unavailable
from steersman.http import idempotency_store
from tests.fixtures.functions import Answer, Functions
from tests.integration.api.requests import echo, fields_of, status, submitted, with_key

YES = {"approved": True}


def asking(functions: Functions, *, task: dict[str, Any] | None = None, **approval: Any) -> str:
    """Return the id of a task that asks in its stage `approve`, and has a stage after it."""
    stage = {"name": "approve", "kind": "approval", "approval": {"ask": "Send the offer?", **approval}}
    task_id = submitted(functions, stage, echo("after", "approve"), output="approve", task=task)
    functions.work()
    assert status(functions, task_id) == "awaiting"
    return task_id


def answer(
    functions: Functions, task_id: str, body: Any = YES, stage: str = "approve", **more: Any
) -> Answer:
    return functions.http("POST", f"/v1/tasks/{task_id}/stages/{stage}/answer", body, **more)


def waiting(functions: Functions, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = functions.http("GET", "/v1/approvals", **query).json["approvals"]
    return found


def test_a_question_is_listed_until_it_is_answered(functions: Functions) -> None:
    """What waits for an answer is in the list with all that one needs to answer it, and no longer once answered."""
    schema = {"type": "object", "properties": {"limit": {"type": "integer"}}}
    task_id = asking(
        functions, by=["address:*"], timeout_s=60, answer_schema=schema, task={"labels": {"team": "sales"}}
    )
    (found,) = waiting(functions)
    assert (found["task_id"], found["stage"], found["ask"]) == (task_id, "approve", "Send the offer?")
    assert (found["template"], found["template_version"], found["labels"]) == ("mine", 1, {"team": "sales"})
    assert (found["by"], found["answer_schema"]) == (["address:*"], schema)
    assert found["until"] > found["awaited_at"]
    assert answer(functions, task_id).status == 200
    assert waiting(functions) == []


def test_a_yes_lets_the_task_go_on(functions: Functions) -> None:
    """The answer, who gave it and the comment are the stage's output, and what comes after begins."""
    task_id = asking(functions)
    body = {"approved": True, "answer": {"limit": 3}, "comment": "as agreed"}
    assert answer(functions, task_id, body).json["status"] == "running"
    functions.work()
    task = functions.http("GET", f"/v1/tasks/{task_id}").json
    assert task["status"] == "completed"
    assert task["output"] == {**body, "by": "address:127.0.0.1"}


@pytest.mark.parametrize(("goes_on", "ends"), [(False, "failed"), (True, "completed")])
def test_a_no_fails_the_task_or_is_a_result(functions: Functions, goes_on: bool, ends: str) -> None:
    """A rejection fails the stage and says who said no and why, or with `continue_on_reject` is its output."""
    task_id = asking(functions, continue_on_reject=goes_on)
    assert answer(functions, task_id, {"approved": False, "comment": "too dear"}).status == 200
    functions.work()
    task = functions.http("GET", f"/v1/tasks/{task_id}").json
    assert task["status"] == ends
    if goes_on:
        assert task["output"]["approved"] is False
    else:
        assert task["error"]["code"] == "rejected"
        assert task["error"]["message"] == "address:127.0.0.1 said no: too dear"


def test_only_those_who_may_answer(functions: Functions) -> None:
    """One who is not among `by` is refused by name with those who are, and the task goes on waiting."""
    task_id = asking(functions, by=["arn:aws:iam::*:role/approver", "address:10.*"])
    refused = answer(functions, task_id)
    assert refused.status == 403
    assert refused.json["type"] == "urn:steersman:problem:forbidden"
    for words in ("address:127.0.0.1", "approve", "arn:aws:iam::*:role/approver, address:10.*"):
        assert words in refused.json["detail"]
    assert status(functions, task_id) == "awaiting"
    assert answer(functions, task_id, caller="10.1.2.3").status == 200


def test_an_answer_counts_once(functions: Functions) -> None:
    """Who answers what has been answered is told so with 409, before the task has gone on and after."""
    task_id = asking(functions)
    assert answer(functions, task_id).status == 200
    late = answer(functions, task_id, {"approved": False})
    assert (late.status, "has its answer already" in late.json["detail"]) == (409, True)
    functions.work()
    assert answer(functions, task_id, {"approved": False}).status == 409
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["output"]["approved"] is True


def test_an_answer_under_its_key_is_answered_again(functions: Functions) -> None:
    """The same answer under its Idempotency-Key has the same reply; another one under it is refused."""
    path = f"/v1/tasks/{asking(functions)}/stages/approve/answer"
    first, second = with_key(functions, YES, path=path), with_key(functions, YES, path=path)
    assert (first.status, first.text) == (200, second.text)
    assert with_key(functions, {"approved": False}, path=path).status == 422


def test_an_answer_whose_reply_was_lost_can_be_sent_again(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was taken just before its function died is taken when it comes again under its key."""
    path = f"/v1/tasks/{asking(functions)}/stages/approve/answer"

    def die(*_: Any) -> None:
        raise Unavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(idempotency_store, "keep", die)
        assert with_key(functions, YES, path=path).status == 503
    assert with_key(functions, YES, path=path).status == 200
    assert with_key(functions, {"approved": False}, "another", path).status == 409


@pytest.mark.parametrize(
    ("stage", "code", "words"),
    [
        ("after", 409, "asks nobody: its kind is 'agent'"),
        ("later", 409, "it is pending"),
        ("absent", 404, "there is no stage 'absent'"),
    ],
)
def test_what_does_not_wait_cannot_be_answered(
    functions: Functions, stage: str, code: int, words: str
) -> None:
    """A stage that asks nobody, is not there, or does not wait yet is refused by name."""
    asks = {"kind": "approval", "approval": {"ask": "Yes?"}}
    first, later = {"name": "approve", **asks}, {"name": "later", "needs": ["approve"], **asks}
    task_id = submitted(functions, first, later, echo("after", "later"))
    functions.work()
    refused = answer(functions, task_id, stage=stage)
    assert (refused.status, words in refused.json["detail"]) == (code, True), refused.text


def test_an_answer_to_a_task_that_has_ended_is_refused(functions: Functions) -> None:
    """The question of a cancelled task cannot be answered, and is listed no more."""
    task_id = asking(functions)
    assert functions.http("POST", f"/v1/tasks/{task_id}/cancel").status == 200
    refused = answer(functions, task_id)
    assert (refused.status, "is cancelled" in refused.json["detail"]) == (409, True)
    assert waiting(functions) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"approved": True}, "answer"),
        ({"approved": True, "answer": {"limit": "many"}}, "answer.limit"),
        ({"approved": True, "answer": {"limit": 2}, "comment": ""}, "comment"),
        ({"approved": "perhaps"}, "approved"),
        ({"answer": {"limit": 2}}, "approved"),
        ({"approved": True, "anwser": {}}, "anwser"),
    ],
)
def test_a_wrong_answer_is_refused_by_field(functions: Functions, body: dict[str, Any], field: str) -> None:
    """An answer that is not of the asked form is 422 with its field, and the stage waits on."""
    schema = {"type": "object", "required": ["limit"], "properties": {"limit": {"type": "integer"}}}
    task_id = asking(functions, answer_schema=schema)
    refused = answer(functions, task_id, body)
    assert (refused.status, fields_of(refused)) == (422, [field]), refused.text
    assert status(functions, task_id) == "awaiting"


def test_a_rejection_needs_no_answer_of_a_form(functions: Functions) -> None:
    """Who says no need not fill in what a yes asks for."""
    task_id = asking(functions, answer_schema={"type": "object", "required": ["limit"]})
    assert answer(functions, task_id, {"approved": False}).status == 200


def test_questions_come_in_pages(functions: Functions) -> None:
    """Every question is on one page, oldest tasks first."""
    ids = [asking(functions) for _ in range(3)]
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = functions.http("GET", "/v1/approvals", limit=2, **cursor).json
        found += [one["task_id"] for one in page["approvals"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ids
    assert [one["task_id"] for one in waiting(functions, task_id=ids[1])] == [ids[1]]


def test_what_has_not_asked_yet_takes_no_answer(functions: Functions) -> None:
    """A stage that waits for a budget before it asks refuses an answer with 409, and asks once the budget is raised."""
    ask = {"name": "approve", "kind": "approval", "approval": {"ask": "Send the offer?"}}
    task_id = submitted(functions, ask, task={"constraints": {"budget_usd": "1"}})
    functions.parts.database.run("UPDATE task_histories SET cost_usd = 1")
    functions.work()
    refused = answer(functions, task_id)
    assert (refused.status, "a budget is spent" in refused.json["detail"]) == (409, True)
    assert functions.http("GET", "/v1/approvals").json["approvals"] == []
    functions.http("PATCH", f"/v1/tasks/{task_id}", {"constraints": {"budget_usd": "2"}})
    functions.work()
    assert answer(functions, task_id).status == 200
