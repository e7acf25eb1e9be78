"""Requests about tasks that several tests send, and how their answers are read."""

from typing import Any

from tests.fixtures.functions import Answer, Functions

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


def with_key(functions: Functions, body: Any, key: str = "key-1", path: str = "/v1/tasks") -> Answer:
    return functions.http("POST", path, body, headers={"idempotency-key": key})


def submitted(
    functions: Functions, *stages: dict[str, Any], task: dict[str, Any] | None = None, **more: Any
) -> str:
    """Publish a template of these stages, submit a task of it (input {} unless `task` says else), return its id."""
    name = more.pop("name", "mine")
    document = {"name": name, "stages": list(stages), **more}
    published = functions.http("POST", "/v1/templates", {"template": document})
    assert published.status in {200, 201}, published.text
    found: str = submit(functions, **{"template": name, "input": {}, **(task or {})})["id"]
    return found


def echo(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    """Return a stage that a built-in agent does: its output is the task's input."""
    return {"name": name, "queue": "agent", "capability": "echo", "needs": list(needs), **more}


def status(functions: Functions, task_id: str) -> str:
    found: str = functions.http("GET", f"/v1/tasks/{task_id}").json["status"]
    return found
