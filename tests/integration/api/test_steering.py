"""Open tasks over HTTP: changed limits, the tasks that stages started, and what is refused before anything begins."""

from typing import Any

import pytest

from steersman.tasks import task_store
from tests.fixtures.functions import Answer, Functions
from tests.integration.api.requests import echo, fields_of, nothing_stored, status, submitted

EACH = {"items": "input.list", "concurrency": 2}


def change(functions: Functions, task_id: str, **constraints: Any) -> Answer:
    return functions.http("PATCH", f"/v1/tasks/{task_id}", {"constraints": constraints})


def spent(functions: Functions, **constraints: Any) -> str:
    """Return a task with these limits that has spent 0.50 USD and 100 tokens, before its first stage."""
    task_id = submitted(functions, echo("first"), task={"constraints": constraints})
    functions.parts.database.run("UPDATE task_histories SET cost_usd = 0.5, tokens = 100")
    return task_id


@pytest.mark.parametrize(("limit", "value"), [("budget_usd", "0.50"), ("budget_tokens", 100)])
def test_a_spent_budget_waits_until_it_is_raised(functions: Functions, limit: str, value: Any) -> None:
    """A task whose budget is spent is `awaiting`, and its stage says which budget; raised, the task completes."""
    task_id = spent(functions, **{limit: value})
    functions.work()
    task = functions.http("GET", f"/v1/tasks/{task_id}").json
    assert (task["status"], task["stages"][0]["error"]["code"]) == ("awaiting", "budget_spent")
    raised = change(functions, task_id, **{limit: 200})
    assert (raised.status, raised.json["status"]) == (200, "running")
    assert float(raised.json["constraints"][limit]) == 200
    functions.work()
    assert status(functions, task_id) == "completed"


@pytest.mark.parametrize(
    ("limit", "value"), [("budget_usd", "0.5"), ("budget_usd", 0.1), ("budget_tokens", 100)]
)
def test_a_budget_that_is_spent_already_is_refused(functions: Functions, limit: str, value: Any) -> None:
    """A new budget that would stop the task at once is 422 and says what is spent."""
    task_id = spent(functions, **{limit: 100})
    refused = change(functions, task_id, **{limit: value})
    assert (refused.status, fields_of(refused)) == (422, [f"constraints.{limit}"])
    assert "spent already" in refused.json["errors"][0]["reason"]
    assert float(functions.http("GET", f"/v1/tasks/{task_id}").json["constraints"][limit]) == 100


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "constraints"),
        ({"constraints": {}}, "constraints"),
        ({"constraints": {"budget_usd": None}}, "constraints"),
        ({"constraints": {"budget_usd": 0}}, "constraints.budget_usd"),
        ({"constraints": {"budget_tokens": 1.5}}, "constraints.budget_tokens"),
        ({"constraints": {"deadline_s": 0}}, "constraints.deadline_s"),
        ({"constraints": {"speed": 1}}, "constraints.speed"),
        ({"priority": "high", "constraints": {"budget_usd": 1}}, "priority"),
    ],
)
def test_a_wrong_change_is_refused_by_field(functions: Functions, body: dict[str, Any], field: str) -> None:
    """What is no limit, or none at all, is 422 with the field."""
    task_id = submitted(functions, echo("first"))
    refused = functions.http("PATCH", f"/v1/tasks/{task_id}", body)
    assert (refused.status, fields_of(refused)) == (422, [field]), refused.text


def test_only_an_open_task_is_changed(functions: Functions) -> None:
    """The limits of a task that has ended stay as they are: 409; one that is not there is 404."""
    task_id = submitted(functions, echo("first"))
    functions.work()
    refused = change(functions, task_id, budget_usd=1)
    assert (refused.status, "is completed already" in refused.json["detail"]) == (409, True)
    assert change(functions, "01900000-0000-7000-8000-000000000009", budget_usd=1).status == 404


def test_a_deadline_is_moved(functions: Functions) -> None:
    """A deadline is given in seconds from the task's creation, and the task shows the new one."""
    task_id = submitted(functions, echo("first"))
    before = functions.http("GET", f"/v1/tasks/{task_id}").json
    after = change(functions, task_id, deadline_s=7200).json
    assert after["deadline_at"] > before["deadline_at"]
    assert after["constraints"] == {"deadline_s": 7200.0}


def test_a_deadline_that_has_passed_is_refused(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline before now, counted from the task's creation, is 422 and says how old the task is."""
    task_id = submitted(functions, echo("first"))
    standing = task_store.standing
    monkeypatch.setattr(task_store, "standing", lambda *a: {**(standing(*a) or {}), "age_s": 61.0})
    refused = change(functions, task_id, deadline_s=60)
    assert (refused.status, fields_of(refused)) == (422, ["constraints.deadline_s"])
    assert "61 s ago" in refused.json["errors"][0]["reason"]


def test_started_tasks_are_listed_by_item(functions: Functions) -> None:
    """The tasks of a fan-out come in pages by item, each with what it came to, also those of one status only."""
    task_id = submitted(
        functions, echo("each", for_each=EACH), echo("after", "each"), task={"input": {"list": [7, 8, 9]}}
    )
    functions.work()
    path = f"/v1/tasks/{task_id}/stages/each/tasks"
    page = functions.http("GET", path, limit=2).json
    assert [(one["item"], one["status"], one["output"]) for one in page["tasks"]] == [
        (0, "completed", {"item": 7, "index": 0}),
        (1, "completed", {"item": 8, "index": 1}),
    ]
    rest = functions.http("GET", path, limit=2, cursor=page["next_cursor"]).json
    assert ([one["item"] for one in rest["tasks"]], rest["next_cursor"]) == ([2], None)
    assert functions.http("GET", path, status="failed").json["tasks"] == []
    child = functions.http("GET", f"/v1/tasks/{page['tasks'][0]['id']}").json
    assert (child["parent_task_id"], child["parent_stage"], child["item"]) == (task_id, "each", 0)
    stages = functions.http("GET", f"/v1/tasks/{task_id}").json["stages"]
    assert stages[0]["tasks"] == {"started": 3, "open": 0, "failed": 0}
    assert [one["id"] for one in functions.http("GET", "/v1/tasks").json["tasks"]] == [task_id]


def test_a_stage_that_started_nothing_lists_nothing(functions: Functions) -> None:
    """A stage without tasks of its own has an empty list; a stage that is not there is 404; a foreign cursor 422."""
    path = f"/v1/tasks/{submitted(functions, echo('first'))}/stages"
    assert functions.http("GET", f"{path}/first/tasks").json == {"tasks": [], "next_cursor": None}
    assert functions.http("GET", f"{path}/absent/tasks").status == 404
    assert fields_of(functions.http("GET", f"{path}/first/tasks", cursor="x")) == ["cursor"]
    assert fields_of(functions.http("GET", f"{path}/first/tasks", status="odd")) == ["status"]


@pytest.mark.parametrize("at", ["2020-01-01T00:00:00Z", "soon", 5, None])
def test_a_timer_in_the_past_is_refused_at_submission(functions: Functions, at: Any) -> None:
    """A time in the input that a stage will wait until, and that has passed or is none, is 422; nothing is stored."""
    wait = {"name": "pause", "kind": "wait", "wait": {"until": "input.at"}}
    refused = refused_task(functions, wait, task_input={"at": at})
    assert refused.status == 422
    (fault,) = refused.json["errors"]
    assert (fault["field"], "stage 'pause': `wait.until`" in fault["reason"]) == ("input", True)
    assert nothing_stored(functions)


@pytest.mark.parametrize(
    ("given", "reason"),
    [("text", "a text, not a list"), (None, "null, not a list"), ([1, 2, 3], "3 items; at most 2")],
)
def test_a_fan_out_over_no_list_is_refused_at_submission(
    functions: Functions, given: Any, reason: str
) -> None:
    """What a stage will go over, when it is in the input and is not a list or too long, is 422; nothing is stored."""
    refused = refused_task(
        functions, echo("each", for_each={**EACH, "max_items": 2}), task_input={"list": given}
    )
    assert refused.status == 422
    (fault,) = refused.json["errors"]
    assert (fault["field"], f"stage 'each': `for_each.items` gives {reason}" in fault["reason"]) == (
        "input",
        True,
    )
    assert nothing_stored(functions)


@pytest.mark.parametrize("lenient", [{"when": "input.given"}, {"on_error": "skip"}])
def test_what_a_template_allows_for_is_not_refused(functions: Functions, lenient: dict[str, Any]) -> None:
    """A stage that may be skipped, or may fail, is not held against a task before it begins."""
    wait = {"name": "pause", "kind": "wait", "wait": {"until": "input.at"}, **lenient}
    each = echo("each", "pause", for_each={"items": "input.list"}, **lenient)
    task_id = submitted(functions, wait, each)
    functions.work()
    assert status(functions, task_id) == "completed"


def refused_task(functions: Functions, *stages: dict[str, Any], task_input: dict[str, Any]) -> Answer:
    document = {"name": "mine", "stages": list(stages)}
    assert functions.http("POST", "/v1/templates", {"template": document}).status == 201
    return functions.http("POST", "/v1/tasks", {"template": "mine", "input": task_input})


def nested(template: str) -> dict[str, Any]:
    return {"name": "again", "kind": "task", "task": {"template": template}}


@pytest.mark.parametrize("validate_only", [False, True])
def test_a_template_that_could_run_for_ever_is_refused(functions: Functions, validate_only: bool) -> None:
    """A template that would start itself again, at once or through others, is 422 with the way, and not published."""

    def publish(name: str, *stages: dict[str, Any], check: bool = False) -> Answer:
        body = {"template": {"name": name, "stages": list(stages)}, "validate_only": check}
        return functions.http("POST", "/v1/templates", body)

    assert publish("third", echo("plain")).status == 201
    assert publish("second", nested("third")).status == 201
    assert publish("first", nested("second")).status == 201
    itself = publish("alone", nested("alone"), check=validate_only)
    assert (itself.status, fields_of(itself)) == (422, ["template.stages.0.task.template"])
    assert "itself again" in itself.json["errors"][0]["reason"]
    before = functions.rows("task_dag_templates")
    refused = publish("third", nested("first"), check=validate_only)
    assert (refused.status, fields_of(refused)) == (422, ["template.stages.0.task.template"])
    assert "third -> first -> second -> third" in refused.json["errors"][0]["reason"]
    assert functions.rows("task_dag_templates") == before
