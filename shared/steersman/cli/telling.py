"""Events of tasks in plain words: a line for each, and a short note beside its stage."""

from collections.abc import Mapping
from typing import Any

Data = Mapping[str, Any]


def words(subject: str, happened: str, data: Data) -> str:
    """Return what an event tells: `happened` is its type's middle (stage.awaiting), `data` as in the CloudEvent."""
    verb = happened.rpartition(".")[2]
    if happened == "stage.awaiting":
        return f"{subject} {_awaits(data)}"
    if happened == "stage.answered":
        said = "yes" if data.get("approved") else "no"
        return f"{subject} was answered {said}{_by(data, 'comment')}"
    if happened == "stage.spread":
        return f"{subject} started {tasks(data.get('tasks') or 0)}"
    if happened in {"task.paused", "task.resumed"}:
        return f"{subject} {verb}{_by(data, 'reason')}"
    if happened == "task.undoing":
        return f"{subject} fails, and what it did is undone{_why(data)}"
    return f"{subject} {verb}{_why(data)}"


def note(verb: str, data: Data) -> str:
    """Return a few words on a stage after an event, for a narrow column; nothing when there are none to say."""
    if verb == "spread":
        return tasks(data.get("tasks") or 0)
    if verb != "awaiting":
        return ""
    kind = data.get("kind")
    return "asks" if kind == "approval" else "budget spent" if kind == "budget" else "waits"


def tasks(number: int) -> str:
    return f"{number:,} task{'s' if number != 1 else ''}"


def people(patterns: list[str]) -> str:
    """Return who may answer, of patterns of names."""
    return ", ".join(patterns) if patterns else "anybody"


def _awaits(data: Data) -> str:
    until = f" until {data['until']}" if data.get("until") else ""
    if data.get("kind") == "approval":
        asked = "now asks" if data.get("escalated") else "asks"
        return f"{asked} {people(data.get('by') or [])}: {data.get('ask')} (waits{until})"
    reason = f": {data['reason']}" if data.get("reason") else ""
    return f"waits{until}{reason}"


def _by(data: Data, why: str) -> str:
    reason = f": {data[why]}" if data.get(why) else ""
    return (f" by {data['by']}" if data.get("by") else "") + reason


def _why(data: Data) -> str:
    error = data.get("error")
    told = [data["agent"]] if data.get("agent") else []
    if data.get("duration_ms") is not None:
        told.append(f"{data['duration_ms']} ms")
    if error:
        told.append(f"{error.get('code')}: {error.get('message')}")
    return f" ({', '.join(told)})" if told else ""
