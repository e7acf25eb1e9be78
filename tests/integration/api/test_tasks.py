"""Tasks over HTTP: submit, list, read, follow, cancel."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.functions import Answer, Functions
from tests.integration.tasks.test_live import wait_for_a_reader

QUESTION = {"input": {"question": "why?"}}


def submit(functions: Functions, **fields: Any) -> dict[str, Any]:
    answer = functions.http("POST", "/v1/tasks", {**QUESTION, **fields})
    assert answer.status == 202, answer.text
    found: dict[str, Any] = answer.json
    return found


def fields_of(answer: Answer) -> list[str]:
    """Return the fields that a problem names, each once."""
    return list(dict.fromkeys(fault["field"] for fault in answer.json["errors"]))


def nothing_stored(functions: Functions) -> bool:
    tables = ("task_histories", "task_stages", "task_stage_logs", "idempotency_keys")
    return not any(functions.rows(table) for table in tables)


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
    assert (task["priority"], task["labels"], task["requirements"]) == ("high", body["labels"], body["requirements"])
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
    times = [accepted["created_at"], accepted["deadline_at"], task["created_at"], task["updated_at"],
             task["stages"][0]["ready_at"], functions.http("GET", "/v1/tasks").json["tasks"][0]["created_at"]]  # fmt: skip
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
    answer = functions.http("POST", "/v1/tasks", '{"template": "any_input", "input": {"n": 123456789012345678901234567890}}')
    assert answer.status == 202
    assert functions.http("GET", answer.headers["location"]).json["input"] == {"n": 1.2345678901234568e29}


def test_an_input_above_its_limit_is_too_large(functions: Functions) -> None:
    """More than 64 KiB of input is 413 naming the field, and leaves nothing."""
    publish_any(functions)
    answer = functions.http("POST", "/v1/tasks", {"template": "any_input", "input": {"text": "x" * 70_000}})
    assert (answer.status, fields_of(answer)) == (413, ["input"])
    assert nothing_stored(functions)


def publish_any(functions: Functions) -> None:
    template = {"name": "any_input", "stages": [{"name": "a", "queue": "agent", "capability": "test.do"}]}
    assert functions.http("POST", "/v1/templates", {"template": template}).status == 201


def test_a_thousand_tasks_are_one_statement(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 1,000 is accepted by one statement, in the order of the request, and each is sent on its way."""
    functions.http("POST", "/v1/tasks", QUESTION)
    database, statements = functions.parts.database, list[str]()
    run = database.run
    monkeypatch.setattr(database, "run", lambda *a: (statements.append(a[0]), run(*a))[1])
    tasks = [{"input": {"question": f"number {n}?"}} for n in range(1000)]
    answer = functions.http("POST", "/v1/tasks/batch", {"tasks": tasks})
    assert answer.status == 202, answer.text[:500]
    ids = [task["id"] for task in answer.json["tasks"]]
    assert ids == sorted(set(ids))
    assert len(statements) == 2, "the templates, and the tasks"
    monkeypatch.undo()
    assert functions.rows("task_histories") == 1001
    assert functions.waiting() == 1 + 10, "a thousand jobs travel in ten messages"
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
    answer = functions.http("POST", "/v1/tasks/batch", {"tasks": [QUESTION, {**QUESTION, "project": "nobody"}]})
    assert (answer.status, fields_of(answer)) == (422, ["tasks.1.project"])
    assert nothing_stored(functions)
    assert functions.waiting() == 0


@pytest.mark.parametrize(
    ("tasks", "field"),
    [([], "tasks"), ([QUESTION] * 1001, "tasks"), ([QUESTION, 7], "tasks.1"), ([{"input": 7}], "tasks.0.input")],
    ids=["none", "too-many", "no-object", "no-input"],
)
def test_a_batch_of_another_shape_is_refused(functions: Functions, tasks: Any, field: str) -> None:
    """A batch has 1 to 1,000 tasks, each an object."""
    answer = functions.http("POST", "/v1/tasks/batch", {"tasks": tasks})
    assert answer.status == 422
    assert fields_of(answer)[0].startswith(field)


def test_thousands_of_faults_are_not_all_told(functions: Functions) -> None:
    """A body that is wrong everywhere is refused with a bounded answer."""
    for body in ({"tasks": [{"input": {}}] * 1000}, {**{f"x{n}": n for n in range(5000)}, "tasks": [QUESTION]}):
        answer = functions.http("POST", "/v1/tasks/batch", body)
        assert answer.status == 422
        assert len(answer.json["errors"]) <= 100


def with_key(functions: Functions, body: Any, key: str = "key-1", path: str = "/v1/tasks") -> Answer:
    return functions.http("POST", path, body, headers={"idempotency-key": key})


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/tasks", QUESTION), ("/v1/tasks/batch", {"tasks": [QUESTION, QUESTION]})]
)
def test_the_same_request_twice_has_one_effect(functions: Functions, path: str, body: dict[str, Any]) -> None:
    """With the same key and body the first answer comes again, word for word, and no further task."""
    first, second = with_key(functions, body, path=path), with_key(functions, body, path=path)
    assert (first.status, second.status) == (202, 202)
    assert first.text == second.text
    assert first.headers.get("location") == second.headers.get("location")
    assert functions.rows("task_histories") == len(body.get("tasks", [body]))


def test_a_key_with_another_body_is_refused(functions: Functions) -> None:
    """A key that was used is not good for another body; another route or another key is another request."""
    with_key(functions, QUESTION)
    answer = with_key(functions, {**QUESTION, "priority": "high"})
    assert (answer.status, fields_of(answer)) == (422, ["Idempotency-Key"])
    assert answer.json["type"] == "urn:steersman:problem:idempotency_key_reused"
    assert with_key(functions, {"tasks": [QUESTION]}, path="/v1/tasks/batch").status == 202
    assert with_key(functions, {**QUESTION, "priority": "high"}, key="key-2").status == 202
    assert functions.rows("task_histories") == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_key_must_be_a_short_printable_text(functions: Functions, key: str) -> None:
    """An empty, long or unprintable key is refused by name, and nothing is stored."""
    answer = with_key(functions, QUESTION, key=key)
    assert (answer.status, fields_of(answer)) == (422, ["Idempotency-Key"])
    assert nothing_stored(functions)


def test_a_refused_request_does_not_use_up_its_key(functions: Functions) -> None:
    """After a refusal the same key serves the corrected request."""
    assert with_key(functions, {"input": {}}).status == 422
    assert with_key(functions, QUESTION).status == 202


def test_the_same_request_at_the_same_time_has_one_effect(functions: Functions) -> None:
    """Requests with one key that race each other are one task with one answer."""
    from steersman.bootstrap import Parts
    from steersman.tasks.submission import Request
    from steersman.tasks.views import TaskSubmission

    racers = [Parts(functions.parts.settings) for _ in range(6)]
    request = Request(
        requested_by="me", requested_through="api", correlation_id="c", route="/v1/tasks", idempotency_key="k"
    )

    def accept(parts: Parts) -> Any:
        try:
            return parts.submissions.accept([TaskSubmission(**QUESTION)], request, single=True)["tasks"][0]["id"]
        finally:
            parts.database.close()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(accept, racers))) == 1
    assert functions.rows("task_histories") == 1


def test_a_key_is_free_again_after_a_day(functions: Functions) -> None:
    """After 24 hours, housekeeping or not, a key serves a new request."""
    first = with_key(functions, QUESTION)
    functions.parts.database.run("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    second = with_key(functions, {**QUESTION, "priority": "low"})
    assert second.status == 202, second.text
    assert second.json["id"] != first.json["id"]
    assert with_key(functions, {**QUESTION, "priority": "low"}).text == second.text


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
    [({"reason": ""}, "reason"), ({"reason": "x" * 501}, "reason"), ({"why": "x"}, "why"), ({"reason": "a\0"}, "reason")],
)
def test_a_wrong_cancellation_cancels_nothing(functions: Functions, body: Any, field: str) -> None:
    """A cancellation that is refused by field leaves the task as it was."""
    task_id = submit(functions)["id"]
    answer = functions.http("POST", f"/v1/tasks/{task_id}/cancel", body)
    assert (answer.status, fields_of(answer)) == (422, [field])
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["status"] == "pending"


def test_a_cancellation_with_a_key_is_answered_again(functions: Functions) -> None:
    """The same cancellation under its key has the same answer; another reason under it is refused."""
    path = f"/v1/tasks/{submit(functions)['id']}/cancel"
    first, second = with_key(functions, {"reason": "a"}, path=path), with_key(functions, {"reason": "a"}, path=path)
    assert first.status == 200
    assert first.text == second.text
    assert with_key(functions, {"reason": "b"}, path=path).status == 422


def test_events_are_followed_by_long_poll(functions: Functions) -> None:
    """A client that asks again with the cursor gets every event once, as CloudEvents, and learns of the end."""
    task_id = submit(functions, template="quick_answer")["id"]
    path = f"/v1/tasks/{task_id}/events"
    first = functions.http("GET", path).json
    assert [event["type"] for event in first["events"]] == ["steersman.task.submitted.v1", "steersman.stage.ready.v1"]
    assert functions.http("GET", path, after=first["cursor"]).json == {**first, "events": []}
    functions.work()
    rest = functions.http("GET", path, after=first["cursor"], wait_s=25).json
    assert rest["ended"]
    assert rest["events"][-1]["type"] == "steersman.task.completed.v1"
    ids = [event["id"] for event in first["events"] + rest["events"]]
    assert len(set(ids)) == len(ids) == functions.rows("task_stage_logs")
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
    [({"after": "nonsense"}, "after"), ({"after": "a\0b"}, "after"), ({"wait_s": 26}, "wait_s"), ({"wait_s": -1}, "wait_s"),
     ({"wait_s": "long"}, "wait_s"), ({"wait_s": "nan"}, "wait_s")],
)  # fmt: skip
def test_a_wrong_poll_is_refused(functions: Functions, query: dict[str, Any], field: str) -> None:
    """A cursor that is none, or a wait out of its range, is 422 by name."""
    answer = functions.http("GET", f"/v1/tasks/{submit(functions)['id']}/events", **query)
    assert (answer.status, fields_of(answer)) == (422, [field])


def test_an_unknown_task_is_not_found(functions: Functions) -> None:
    """Reading, following and cancelling what is not there is 404."""
    path = f"/v1/tasks/{uuid4()}"
    answers = [functions.http("GET", path), functions.http("GET", f"{path}/events"), functions.http("POST", f"{path}/cancel")]
    assert [answer.status for answer in answers] == [404] * 3


def test_queues_that_are_away_do_not_refuse_a_task(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task is accepted when it is stored; what SQS did not take is sent by the sweep."""
    from functions.ops import sweep

    with monkeypatch.context() as patch:
        patch.setattr(functions.parts.queues._client, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
        task_id = submit(functions, template="quick_answer")["id"]
    assert functions.waiting() == 0
    monkeypatch.setattr("steersman.tasks.sweep.STRANDED_AFTER_S", -1.0)
    assert sweep.handler({}, None)["sent"] == 1
    functions.work()
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["status"] == "completed"
