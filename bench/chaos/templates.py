"""The templates of a run beside the default ones: a fan-out, a nested task that asks and waits, a saga."""

from collections.abc import Mapping, Sequence
from typing import Any

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.tasks import template_store
from steersman.tasks.template import parse_template

FAN_OUT, NESTED, ASKING, SAGA = "chaos_fan_out", "chaos_nested", "chaos_asking", "chaos_saga"
ITEMS, AT_WORK, TOLERATED = 20, 4, 3
LISTS, PAYS = "list", "pay"  # stages of which agents give a list, and often refuse
_SAME = "{question: input.question}"


def publish(database: Database) -> None:
    """Publish the templates in the default project."""
    for document in documents():
        template = parse_template(document)
        template_store.publish(database, DEFAULT_PROJECT_ID, new_id(), template, created_by="chaos")


def documents() -> Sequence[Mapping[str, Any]]:
    """Return the templates as people write them."""
    each = {
        "items": f"results.{LISTS}.items",
        "input": "{question: input.question, item: item, index: index}",
        "concurrency": AT_WORK,
        "tolerate": TOLERATED,
    }
    fan_out = [
        stage(LISTS, "intent"),
        stage("each", "executor", LISTS, for_each=each),
        stage("join", "responses", "each"),
    ]
    nested = [
        stage("first", "intent"),
        {"name": "nested", "kind": "task", "needs": ["first"], "task": {"template": ASKING, "input": _SAME}},
        {"name": "agree", "kind": "approval", "needs": ["first"], "approval": {"ask": "Go on?"}},
        stage("last", "responses", "nested", "agree"),
    ]
    in_time = {"ask": "In time?", "timeout_s": 6, "default": {"in": "time"}, "continue_on_reject": True}
    asking = [
        {"name": "ask", "kind": "approval", "approval": in_time},
        {"name": "rest", "kind": "wait", "needs": ["ask"], "wait": {"for_s": 2}},
        {"name": "short", "kind": "wait", "wait": {"for_s": 1}},
        stage("done", "executor", "rest", "short"),
    ]
    saga = [
        stage("hotel", "intent", undo="no_hotel"),
        stage("flight", "executor", "hotel", undo="no_flight"),
        stage("car", "embedding", "hotel", undo="no_car"),
        stage("guide", "websearch", "hotel", undo="no_guide"),
        stage(PAYS, "responses", "flight", "car"),
        stage("end", "agent", PAYS, "guide"),
        *(stage(f"no_{what}", "agent") for what in ("hotel", "flight", "car", "guide")),
    ]
    return (
        document(FAN_OUT, "join", fan_out),
        document(ASKING, "done", asking),
        document(NESTED, "last", nested),
        document(SAGA, "end", saga),
    )


def document(name: str, output: str, stages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a template as people write it."""
    return {"name": name, "output": output, "deadline_s": 300, "stages": list(stages)}


def stage(name: str, queue: str, *needs: str, **more: Any) -> Mapping[str, Any]:
    """Return a stage that every worker's agents can do, tried twice."""
    retry = {"max_attempts": 2, "backoff_s": 0.5, "max_backoff_s": 5}
    ability = {"queue": queue, "capability": "answer.compose"}
    return {"name": name, **ability, "needs": list(needs), "retry": retry, **more}
