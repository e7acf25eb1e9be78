"""The audit of what people change over HTTP: who, what and how, with the change or not at all."""

from collections.abc import Callable
from typing import Any

import pytest

from steersman.errors import Unavailable
from tests.fixtures.functions import Functions
from tests.integration.api.requests import echo, submitted

ASK = {"name": "ask", "kind": "approval", "approval": {"ask": "May it go on?"}}
LIMITS = "/v1/projects/default/limits"
HOURLY = {"name": "hourly", "template": "quick_answer", "input": {"question": "why?"}, "rate": "1 hour"}

# A change: what to do before it, the request, and the entry's action, target and detail. `{id}` is what `before` gives.
Change = tuple[Callable[[Functions], str], str, str, Any, str, str, dict[str, Any]]


def nothing(_: Functions) -> str:
    return ""


def a_template(functions: Functions) -> str:
    return submitted(functions, echo("first"))


def a_paused_task(functions: Functions) -> str:
    task_id = a_template(functions)
    assert functions.http("POST", f"/v1/tasks/{task_id}/pause", {}).status == 200
    return task_id


def a_question(functions: Functions) -> str:
    task_id = submitted(functions, ASK)
    functions.work()
    return task_id


def a_pause(scope: str, name: str) -> Callable[[Functions], str]:
    def make(functions: Functions) -> str:
        a_template(functions)
        assert functions.http("POST", "/v1/pauses", {"scope": scope, "name": name}).status == 200
        return ""

    return make


def a_limit(functions: Functions) -> str:
    assert functions.http("PUT", LIMITS, {"max_running_stages": 5}).status == 200
    return ""


def a_schedule(functions: Functions) -> str:
    found: str = functions.http("POST", "/v1/schedules", HOURLY).json["id"]
    return found


CHANGES: dict[str, Change] = {
    "an answer": (
        a_question, "POST", "/v1/tasks/{id}/stages/ask/answer", {"approved": False, "comment": "not now"},
        "approval.answered", "task/{id}", {"stage": "ask", "approved": False, "comment": "not now"},
    ),
    "a task's pause": (
        a_template, "POST", "/v1/tasks/{id}/pause", {"reason": "too dear"},
        "task.paused", "task/{id}", {"reason": "too dear"},
    ),
    "a task's end of pause": (
        a_paused_task, "POST", "/v1/tasks/{id}/resume", None, "task.resumed", "task/{id}", {},
    ),
    "a template's pause": (
        a_template, "POST", "/v1/pauses", {"scope": "template", "name": "mine", "reason": "wrong"},
        "template.paused", "template/mine", {"reason": "wrong"},
    ),
    "a template's end of pause": (
        a_pause("template", "mine"), "DELETE", "/v1/pauses/template/mine", None,
        "template.resumed", "template/mine", {},
    ),
    "a queue's pause": (
        nothing, "POST", "/v1/pauses", {"scope": "queue", "name": "agent"}, "queue.paused", "queue/agent", {},
    ),
    "a queue's end of pause": (
        a_pause("queue", "agent"), "DELETE", "/v1/pauses/queue/agent", None, "queue.resumed", "queue/agent", {},
    ),
    "a task's limits": (
        a_template, "PATCH", "/v1/tasks/{id}", {"constraints": {"budget_usd": "2.50", "deadline_s": 900}},
        "task.changed", "task/{id}", {"constraints": {"budget_usd": "2.50", "deadline_s": 900.0}},
    ),
    "a project's limits": (
        a_limit, "PUT", LIMITS, {"max_running_stages": None, "usd_per_day": "2.50"},
        "project.limits_set", "project/default",
        {
            "before": {"max_running_stages": 5, "usd_per_day": None, "tokens_per_day": None},
            "after": {"max_running_stages": None, "usd_per_day": "2.50", "tokens_per_day": None},
        },
    ),
    "a template": (
        a_template, "POST", "/v1/templates", {"template": {"name": "mine", "stages": [echo("other")]}},
        "template.published", "template/mine", {"version": 2},
    ),
    "a schedule": (
        nothing, "POST", "/v1/schedules", HOURLY, "schedule.created", "schedule/{new}", {"name": "hourly"},
    ),
    "a schedule's change": (
        a_schedule, "PATCH", "/v1/schedules/{id}", {"paused": True, "input": {"question": "how?"}},
        "schedule.changed", "schedule/{id}",
        {"name": "hourly", "changed": ["input", "paused"], "to": {"paused": True}},
    ),
    "a schedule's end": (
        a_schedule, "DELETE", "/v1/schedules/{id}", None, "schedule.deleted", "schedule/{id}", {"name": "hourly"},
    ),
    "a schedule's run": (
        a_schedule, "POST", "/v1/schedules/{id}/run", None,
        "schedule.run", "schedule/{id}", {"name": "hourly", "task": "{new}"},
    ),
}  # fmt: skip
each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


@each_change
def test_a_change_has_its_entry(functions: Functions, change: Change) -> None:
    """Each change says in the audit who did what to what, once."""
    before, method, path, body, action, target, detail = change
    found = before(functions)
    answer = functions.http(method, path.format(id=found), body, caller="10.1.2.3")
    assert answer.status < 300, answer.text
    new = answer.json.get("id", "") if answer.text else ""
    entries = functions.http("GET", "/v1/audit", by="address:10.1.2.3").json["entries"]
    told = [(one["action"], one["target"]) for one in entries]
    assert told == [(action, target.format(id=found, new=new))]
    given = {name: new if value == "{new}" else value for name, value in detail.items()}
    assert entries[0]["detail"] == given


@each_change
def test_a_change_without_its_entry_is_not_made(
    functions: Functions, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the entry cannot be written nothing is changed: both are one transaction."""
    before, method, path, body, *_ = change
    found = before(functions)
    state = stored(functions)

    def refuse(*_: Any) -> None:
        raise Unavailable("no")

    monkeypatch.setattr("steersman.audit.store.add", refuse)
    assert functions.http(method, path.format(id=found), body).status == 503
    assert stored(functions) == state


def stored(functions: Functions) -> list[Any]:
    """Return all that these changes change."""
    tables = ("task_histories", "task_stages", "task_stage_logs", "pauses", "project_limits", "schedules")
    return [
        functions.parts.database.run(f"SELECT to_jsonb(x) AS row FROM {table} x ORDER BY 1")  # noqa: S608
        for table in (*tables, "task_dag_templates", "audit_entries")
    ]


@pytest.mark.parametrize(
    "name", ["a task's pause", "a queue's pause", "a project's limits", "a template", "a task's end of pause"]
)
def test_what_changes_nothing_has_no_entry(functions: Functions, name: str) -> None:
    """A request that finds everything as it wants it is harmless, and adds nothing to the audit."""
    before, method, path, body, action, *_ = CHANGES[name]
    found = before(functions)
    for _ in range(2):
        assert functions.http(method, path.format(id=found), body).status < 300
    entries = functions.http("GET", "/v1/audit", action=action).json["entries"]
    assert len(entries) == {"a project's limits": 2, "a template": 2}.get(name, 1)
