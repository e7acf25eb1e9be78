"""How a task and its stages stand, in words: what they wait for, what they started, what is undone."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from steersman.cli import telling
from steersman.cli.show import moment

Row = Mapping[str, Any]


def of_task(task: Row) -> Iterator[str]:
    """Yield what is to be said of a task as a whole, a line each."""
    if task.get("parent_task_id"):
        item = f", item {task['item']}" if task.get("item") is not None else ""
        yield f"started by stage '{task['parent_stage']}' of task {task['parent_task_id']}{item}"
    if paused := task.get("paused"):
        why = f": {paused['reason']}" if paused.get("reason") else ""
        yield f"paused since {moment(paused['at'])} by {paused['by']}{why}"
    if failing := task.get("failing"):
        yield f"fails, and what it did is undone ({failing.get('code')}: {failing.get('message')})"
    elif (error := task.get("error")) and error.get("code") != "cancelled":
        yield f"{task['status']}: {error.get('message')}"


def questions(task: Row, approvals: Callable[..., Mapping[str, Any]]) -> dict[str, Row]:
    """Return what stages of a task ask, by their names; `approvals` reads them, and only where one waits."""
    asks = any(stage["kind"] == "approval" and stage["status"] == "awaiting" for stage in task["stages"])
    if not asks:
        return {}
    found = approvals(project=task["project"], task_id=task["id"], limit=200)["approvals"]
    return {one["stage"]: one for one in found}


def of_stage(stage: Row, question: Row | None = None) -> str:
    """Return what is to be said of a stage beside its status."""
    return "; ".join(_said(stage, question))


def _said(stage: Row, question: Row | None) -> Iterator[str]:
    if stage.get("undoes"):
        yield f"undoes {stage['undoes']}"
    if started := stage.get("tasks"):
        ended = started["started"] - started["open"]
        failed = f", {started['failed']:,} failed" if started["failed"] else ""
        yield f"{ended:,} of {telling.tasks(started['started'])} done{failed}"
    if question:
        yield f"asks {telling.people(question['by'])}: {question['ask']}"
    until = stage.get("awaits_until")
    if until and stage["status"] == "awaiting":
        yield f"until {moment(until)}"
    if limit := stage.get("waiting_for"):
        yield f"waits for a place of {limit}"
    elif message := (stage.get("error") or {}).get("message"):
        yield message
        if again := stage.get("next_attempt_at"):
            yield f"next attempt {moment(again)}"
