"""The ways of a stage that is more than one call of an agent, as pure functions on plain data.

A stage that waits, or that started tasks, is claimed again when it is to go on: what it waited for comes with it, in
the row's `aside` (sql/claim.sql).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from steersman.errors import AgentError, Fault
from steersman.json import rfc3339
from steersman.tasks import expressions
from steersman.tasks.expressions import ExpressionFailed
from steersman.tasks.stage_kinds import Approval, ForEach, NestedTask, Wait
from steersman.tasks.template import Stage

MAX_TOLD = 20  # failed items that a stage names
ITEM = "{item: item, index: index}"


@dataclass(frozen=True)
class Awaiting:
    """A stage waits: until `due_at` (None: for an answer, however long), and why, where that is an error."""

    due_at: datetime | None
    error: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Children:
    """Tasks that a stage starts: their inputs, how many may begin at once, how many may fail."""

    inputs: Sequence[Mapping[str, Any]]
    window: int
    tolerated: int
    nested: NestedTask | None


@dataclass(frozen=True)
class Held:
    """A stage is given back until somebody lets it go on."""


class Child(NamedTuple):
    """How a task that a stage started has ended, or stands."""

    item: int
    status: str
    output: Mapping[str, Any] | None
    error: Mapping[str, Any] | None


class TimerInPast(AgentError):
    """The time that a stage is to wait until has passed, or is none."""

    code = "timer_in_past"
    retryable = False


class NotAList(AgentError):
    """What a fan-out is to go over is not a list, or too long."""

    code = "not_a_list"
    retryable = False


class ChildrenFailed(AgentError):
    """More of the tasks that a stage started failed than it tolerates."""

    code = "children_failed"
    retryable = False


class Rejected(AgentError):
    """Who was asked said no."""

    code = "rejected"
    retryable = False


class NotAnswered(AgentError):
    """Nobody answered in time, and there is no default."""

    code = "not_answered"
    retryable = False


def waits_until(wait: Wait, now: datetime, values: Mapping[str, Any]) -> datetime:
    """Return when a stage of kind `wait` goes on; raise TimerInPast or ExpressionFailed."""
    if wait.for_s is not None:
        return now + timedelta(seconds=wait.for_s)
    until = moment("wait.until", expressions.evaluate("wait.until", str(wait.until), values))
    if until <= now:
        raise TimerInPast(f"`wait.until` gives {rfc3339(until)}, which has passed")
    return until


def moment(field_name: str, value: Any) -> datetime:
    """Return a time in UTC from its RFC 3339 text; raise TimerInPast when it is none."""
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise TimerInPast(f"`{field_name}` does not give a time like 2030-01-31T09:00:00Z") from None


def asked(approval: Approval, now: datetime, waited_s: float | None) -> Awaiting:
    """Return how a stage of kind `approval` waits on, `waited_s` after it began to (None: it begins).

    Raises NotAnswered when all its time is over and there is no default.
    """
    waited, first = waited_s or 0.0, approval.timeout_s
    escalated = first is not None and waited >= first
    total = approval.longest_s
    if total is not None and waited >= total:
        raise NotAnswered("nobody answered in time; the stage has no default answer")
    left = None if first is None or total is None else (total if escalated else first) - waited
    detail = {
        "kind": "approval",
        "ask": approval.ask,
        "by": list(may_answer(approval, waited)),
        "escalated": escalated,
    }
    due = None if left is None else now + timedelta(seconds=left)
    return Awaiting(due, detail=detail if due is None else {**detail, "until": rfc3339(due)})


def may_answer(approval: Approval, waited_s: float) -> tuple[str, ...]:
    """Return the patterns of who may answer after a wait; none: anybody."""
    if approval.timeout_s is not None and waited_s >= approval.timeout_s:
        return (*approval.by, *approval.escalate_to) if approval.by else ()
    return approval.by


def by_default(approval: Approval) -> dict[str, Any] | None:
    """Return the answer of an approval that nobody gave, or None."""
    if approval.default is None:
        return None
    return {"approved": True, "answer": dict(approval.default), "by": "default", "comment": None}


def children(stage: Stage, values: Mapping[str, Any]) -> Children:
    """Return the tasks that a stage starts; raise NotAList, ChildrenFailed (too few items) or ExpressionFailed."""
    nested = stage.task
    if stage.for_each is None:
        given = (
            values["input"]
            if nested is None or nested.input is None
            else _evaluated("task.input", nested.input, values)
        )
        return Children([_object("task.input", given)], 1, 0, nested)
    each = stage.for_each
    found = items(each, values)
    expression = each.input or (nested.input if nested else None)
    inputs = [_item_input(expression, nested, values, item, index) for index, item in enumerate(found)]
    return Children(inputs, each.concurrency, each.tolerated(len(found)), nested)


def items(each: ForEach, values: Mapping[str, Any]) -> list[Any]:
    """Return what a fan-out goes over; raise NotAList, ChildrenFailed (too few items) or ExpressionFailed."""
    found = expressions.evaluate("for_each.items", each.items, values)
    if not isinstance(found, list):
        raise NotAList(f"`for_each.items` gives {_kind(found)}, not a list")
    if len(found) > each.max_items:
        raise NotAList(f"`for_each.items` gives {len(found):,} items; at most {each.max_items:,} are allowed")
    if each.tolerated(len(found)) < 0:
        raise ChildrenFailed(f"there are {len(found):,} items; at least {each.at_least:,} are to complete")
    return found


def _item_input(
    expression: str | None, nested: NestedTask | None, values: Mapping[str, Any], item: Any, index: int
) -> Mapping[str, Any]:
    if expression is None:
        return item if nested and isinstance(item, dict) else {"item": item, "index": index}
    given = _evaluated("for_each.input", expression, {**values, "item": item, "index": index})
    return _object(f"for_each.input of item {index}", given)


def _evaluated(name: str, expression: str, values: Mapping[str, Any]) -> Any:
    return expressions.evaluate(name, expression, values)


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ExpressionFailed(f"`{name}` gives {_kind(value)}, not an object")
    return value


def _kind(value: Any) -> str:
    kinds = {
        type(None): "null",
        bool: "a boolean",
        str: "a text",
        int: "a number",
        float: "a number",
        dict: "an object",
    }
    return kinds.get(type(value), "a list")


def needs_outputs(stage: Stage, count: int, failed: int) -> bool:
    """Say whether the output of a stage is made of those of its tasks: they may be many, and large."""
    each = stage.for_each
    return each is None or (each.collect and failed <= each.tolerated(count))


def joined(stage: Stage, count: int, failed: int, found: Sequence[Child]) -> dict[str, Any]:
    """Return the output of a stage whose tasks have ended; raise ChildrenFailed when too many failed.

    `found` are all of them, or where no outputs are needed the first MAX_TOLD that failed.

    Of one nested task it is that one's output; of a fan-out {"items", "completed", "failed", "errors"}.
    """
    if stage.for_each is None:
        child = found[0] if found else None
        if child is None or child.status != "completed":
            raise ChildrenFailed(f"the nested task {_fate(child)}", faults=_reasons(found))
        return dict(child.output or {})
    if failed > stage.for_each.tolerated(count):
        allowed = max(0, stage.for_each.tolerated(count))
        raise ChildrenFailed(f"{failed:,} of {count:,} items failed; {allowed:,} may", faults=_reasons(found))
    output: dict[str, Any] = {"completed": count - failed, "failed": failed}
    output["errors"] = [{"index": int(fault.field), "reason": fault.reason} for fault in _reasons(found)]
    if stage.for_each.collect:
        outputs = {child.item: child.output for child in found if child.status == "completed"}
        output["items"] = [outputs.get(index) for index in range(count)]
    return output


def _fate(child: Child | None) -> str:
    return (
        "is missing"
        if child is None
        else f"was {child.status}"
        if child.status == "cancelled"
        else child.status
    )


def _reasons(found: Sequence[Child]) -> tuple[Fault, ...]:
    ended = [child for child in found if child.status in {"failed", "cancelled"}]
    return tuple(
        Fault(str(child.item), str((child.error or {}).get("message", child.status)))
        for child in ended[:MAX_TOLD]
    )
