"""How a stage that a state machine asked about stands, as the answer to its token: a pure function of its rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from steersman.errors import AgentThrottled, RateLimited, StageTimeout
from steersman.json import rfc3339
from steersman.tasks.asl.conditions import Conditions
from steersman.tasks.asl.words import Failure, Move
from steersman.tasks.planner import LeaseLost
from steersman.tasks.template import Template
from steersman.tasks.words import StageStatus

Row = Mapping[str, Any]

_WELL = frozenset({StageStatus.COMPLETED, StageStatus.SKIPPED})
_NAMED = {
    AgentThrottled.code: Failure.THROTTLED,
    RateLimited.code: Failure.THROTTLED,
    StageTimeout.code: Failure.TIMEOUT,
    LeaseLost.code: Failure.LEASE_LOST,
}


class Answer(NamedTuple):
    """What a token is answered with: `output`, or the name of a failure with its cause."""

    output: Mapping[str, Any] | None
    failure: Failure | None = None
    cause: str = ""


def answer(row: Row, template: Template, conditions: Conditions) -> Answer | None:
    """Return the answer to a token (a row of `token_store.unanswered`), or None while its stage goes on.

    Of an item the template is that of its fan-out, and the row that of the task which does the item.
    """
    move, status = Move(row["move"]), StageStatus(row["status"])
    if status in _WELL:
        return Answer(_well(move, row, conditions))
    if status in {StageStatus.FAILED, StageStatus.CANCELLED}:
        return _badly(move, row, template)
    if status is StageStatus.READY and row["attempt"] > row["asked_attempt"] and row["error"]:
        return Answer(None, _name(row["error"]), _cause(row["error"]))
    if move is Move.OPEN and row["children"] is not None:
        return Answer({"items": list(range(row["children"]))})
    if move is Move.BEGIN and status is StageStatus.AWAITING and not row["error"]:
        return Answer({"until": _until(row["ready_at"], row)})
    return None


def _well(move: Move, row: Row, conditions: Conditions) -> dict[str, Any]:
    match move:
        case Move.OPEN:
            return {"items": list(range(row["children"] or 0))}
        case Move.BEGIN:
            return {"until": _until(row["now"], row)}
        case Move.ITEM:
            return {}
    skipped = {
        name: False
        for name, tellers in conditions.told_by.items()
        if row["stage"] in tellers and row["statuses"].get(name) == StageStatus.SKIPPED
    }
    return {"status": row["status"], "when": skipped}


def _badly(move: Move, row: Row, template: Template) -> Answer:
    cause = _cause(row["error"])
    if move is Move.ITEM:
        return Answer(None, Failure.ITEM_FAILED, cause)
    if row["stage"] in template.undoes and row["status"] == StageStatus.FAILED:
        return Answer(
            {"status": row["status"], "when": {}}
        )  # what could not be undone does not keep others from it
    return Answer(None, Failure.FINAL, cause or f"the task is {row['task_status']}")


def undoing(statuses: Mapping[str, str], template: Template) -> Answer:
    """Return which stages that undo are to run, of a task that fails: those that are there (`statuses` by stage)."""
    return Answer({"undo": {name: True for name in template.undoes if name in statuses}})


def _name(error: Mapping[str, Any]) -> Failure:
    if not error.get("retryable", True):
        return Failure.PERMANENT
    return _NAMED.get(error["code"], Failure.FAILED)


def _cause(error: Mapping[str, Any] | None) -> str:
    return f"{error['code']}: {error['message']}" if error else ""


def _until(due: datetime | None, row: Row) -> str:
    """Return a time in whole seconds, as Wait takes it, not before it is due nor after the task's deadline."""
    at = min(due or row["deadline_at"], row["deadline_at"])
    whole = at.replace(microsecond=0) + timedelta(seconds=1 if at.microsecond else 0)
    return rfc3339(whole)
