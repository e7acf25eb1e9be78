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
