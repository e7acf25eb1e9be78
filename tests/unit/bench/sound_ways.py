"""Histories of a fan-out with its items, a saga that undid itself and an approval, in which nothing is wrong."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from bench.chaos.history import Event, Execution, Line, Order, RunHistory, StageRow, TaskHistory
from steersman.tasks.planner import Plan
from steersman.tasks.template import parse_template
from tests.unit.bench import sound_history
from tests.unit.bench.sound_history import COST

PARENT, SAGA, ASKING = UUID(int=20), UUID(int=30), UUID(int=40)
ITEMS = (UUID(int=21), UUID(int=22), UUID(int=23))
FAILED = {"error": {"code": "agent_refused"}}


def _plan(name: str, output: str, *stages: dict[str, Any]) -> Plan:
    filled = [{"queue": "agent", "capability": "test.do", **stage} for stage in stages]
    return Plan(UUID(int=2), 1, parse_template({"name": name, "output": output, "stages": filled}))


FAN_OUT = _plan(
    "fan_out",
    "after",
    {"name": "each", "for_each": {"items": "input.list", "concurrency": 2, "tolerate": 1}},
    {"name": "after", "needs": ["each"]},
)
UNDONE = _plan(
    "saga",
    "last",
    {"name": "one", "undo": "no_one"},
    {"name": "two", "needs": ["one"], "undo": "no_two"},
    {"name": "last", "needs": ["two"]},
    {"name": "no_one"},
    {"name": "no_two"},
)
ASKS = _plan(
    "asking",
    "ask",
    {"name": "ask", "kind": "approval", "approval": {"ask": "Go on?"}, "capability": "approval"},
)


def lines(
    *told: tuple[str, str | None, float], details: dict[str, dict[str, Any]] | None = None
) -> list[Line]:
    """Return a log of (event, stage, at), all at attempt 1; `details` by event."""
    found = []
    for number, (event, stage, at) in enumerate(told, 1):
        attempt = 1 if stage else None
        detail = (details or {}).get(f"{event}:{stage}", (details or {}).get(event, {}))
        agent = event in {"stage.completed", "stage.failed"}
        found.append(Line(number, stage, event, attempt, detail, agent=agent, at=at))
    return found


def stage(name: str, status: str = "completed", **more: Any) -> StageRow:
    facts: dict[str, Any] = {
        "attempt": 1,
        "pending_needs": 0,
        "output": {"stage": name} if status == "completed" else None,
        "error": {"code": "agent_refused"} if status == "failed" else None,
        "cost_usd": COST if status == "completed" else Decimal(0),
        "tokens": int(status == "completed"),
    }
    return StageRow(name=name, status=status, **{**facts, **more})


def ran(task_id: UUID, name: str, answer: str = "ok", **more: Any) -> Execution:
    ok = answer == "ok"
    return Execution(
        task_id=task_id,
        stage=name,
        attempt=1,
        process="worker",
        answer=answer,
        output={"stage": name} if ok else None,
        cost_usd=COST if ok else Decimal(0),
        tokens=int(ok),
        **more,
    )


def history(
    task_id: UUID,
    plan: Plan,
    status: str,
    log: Sequence[Line],
    stages: Sequence[StageRow],
    executions: Sequence[Execution] = (),
    **row: Any,
) -> TaskHistory:
    """Return a task with these facts, of which readers and followers are told as they are."""
    sound = sound_history.task()
    given = next((one.output for one in stages if one.name == plan.template.output_stage), None)
    output = given if status == "completed" else None
    facts = {
        "id": task_id,
        "status": status,
        "output": output,
        "cost_usd": sum((one.cost_usd for one in stages), Decimal(0)),
        "tokens": sum(one.tokens for one in stages),
        "labels": {"chaos": str(task_id.int)},
        "template": plan.template.name,
        "open_sinks": int(status == "failed" and not plan.template.undoes),
    }
    shown = [{"name": one.name, "status": one.status, "attempt": one.attempt} for one in stages]
    letters = [(one.stage or "", 1) for one in log if one.event == "stage.failed"]
    return replace(
        sound,
        row=replace(sound.row, **{**facts, **row}),
        plan=plan,
        stages={one.name: one for one in stages},
        log=log,
        changes=[],
        executions=executions,
        events=[Event(line.id, line.event, line.stage, line.attempt) for line in log],
        shown={"status": status, "output": output, "stages": shown},
        letters=letters,
        follows=[],
    )


def item(number: int, *, fails: bool = False) -> TaskHistory:
    """Return an item of the fan-out: those of 0 and 1 work side by side, that of 2 after them."""
    began, end = (1.0, 2.0) if number < 2 else (2.5, 3.0)
    word = "failed" if fails else "completed"
    log = lines(
        ("task.submitted", None, 0.5),
        ("stage.ready", "each", 0.5),
        ("stage.started", "each", began),
        (f"stage.{word}", "each", end),
        (f"task.{word}", None, end),
        details={"stage.failed": FAILED},
    )
    family = {"parent_task_id": PARENT, "parent_stage": "each", "parent_attempt": 1, "item": number}
    executions = [ran(ITEMS[number], "each", "refused" if fails else "ok")]
    of_item = FAN_OUT.of_item("each")
    return history(ITEMS[number], of_item, word, log, [stage("each", word)], executions, **family)


def fan_out() -> list[TaskHistory]:
    """Return a task that fanned out over three items, of which the second failed, and its items."""
    items = [item(0), item(1, fails=True), item(2)]
    joined = {"items": [one.row.output for one in items], "completed": 2, "failed": 1, "errors": []}
    log = lines(
        ("task.submitted", None, 0.0),
        ("stage.ready", "each", 0.0),
        ("stage.started", "each", 0.4),
        ("stage.spread", "each", 0.5),
        ("stage.started", "each", 4.0),
        ("stage.completed", "each", 4.1),
        ("stage.ready", "after", 4.1),
        ("stage.started", "after", 4.2),
        ("stage.completed", "after", 4.3),
        ("task.completed", None, 4.3),
        details={"stage.spread": {"tasks": 3}},
    )
    log = [replace(line, agent=line.agent and line.stage == "after") for line in log]
    each = stage("each", output=joined, children=3, cost_usd=2 * COST, tokens=2)
    after = ran(PARENT, "after", seen_items=[0, 2])
    return [history(PARENT, FAN_OUT, "completed", log, [each, stage("after")], [after]), *items]


def saga() -> TaskHistory:
    """Return a task that failed at its end, and whose two completed stages were undone."""
    log = lines(
        ("task.submitted", None, 0.0),
        ("stage.ready", "one", 0.0),
        ("stage.started", "one", 0.1),
        ("stage.completed", "one", 1.0),
        ("stage.ready", "two", 1.0),
        ("stage.started", "two", 1.1),
        ("stage.completed", "two", 2.0),
        ("stage.ready", "last", 2.0),
        ("stage.started", "last", 2.1),
        ("stage.failed", "last", 3.0),
        ("task.undoing", None, 3.0),
        ("stage.ready", "no_two", 3.0),
        ("stage.started", "no_two", 3.1),
        ("stage.completed", "no_two", 4.0),
        ("stage.ready", "no_one", 4.0),
        ("stage.started", "no_one", 4.1),
        ("stage.completed", "no_one", 5.0),
        ("task.failed", None, 5.0),
        details={"stage.failed": FAILED},
    )
    stages = [
        stage("one", finished_at=1.0),
        stage("two", finished_at=2.0),
        stage("last", "failed", finished_at=3.0),
        stage("no_two", finished_at=4.0),
        stage("no_one", finished_at=5.0),
    ]
    names = ("one", "two", "no_two", "no_one")
    executions = [*(ran(SAGA, name) for name in names), ran(SAGA, "last", "refused")]
    return history(SAGA, UNDONE, "failed", log, stages, executions)


def asking() -> TaskHistory:
    """Return a task that asked and was told yes."""
    log = lines(
        ("task.submitted", None, 0.0),
        ("stage.ready", "ask", 0.0),
        ("stage.started", "ask", 0.1),
        ("stage.awaiting", "ask", 0.2),
        ("stage.answered", "ask", 1.0),
        ("stage.started", "ask", 1.1),
        ("stage.completed", "ask", 1.2),
        ("task.completed", None, 1.2),
        details={"stage.answered": {"approved": True, "comment": "operator-1"}},
    )
    log = [replace(line, agent=False) for line in log]
    output = {"approved": True, "comment": "operator-1", "answer": {}, "by": "chaos"}
    row = stage("ask", output=output, cost_usd=Decimal(0), tokens=0)
    return history(ASKING, ASKS, "completed", log, [row])


def answer(**changes: Any) -> Order:
    """Return the confirmed order to answer it."""
    facts: dict[str, Any] = {
        "what": "answer",
        "asked_at": 0.9,
        "answered_at": 1.05,
        "status": 200,
        "task_id": ASKING,
        "stage": "ask",
        "key": "operator-1",
        "approved": True,
    }
    return Order(**{**facts, **changes})


def run(*tasks: TaskHistory, orders: Sequence[Order] = ()) -> RunHistory:
    """Return a run of these tasks, sums and all."""
    stages = [one for task in tasks for one in task.stages.values() if one.children is None]
    calls = [line for task in tasks for line in task.log if line.agent]
    measured = {
        "calls": Decimal(len(calls)),
        "failures": Decimal(sum(1 for line in calls if line.detail.get("error"))),
        "cost_usd": sum((one.cost_usd for one in stages), Decimal(0)),
        "tokens": Decimal(sum(one.tokens for one in stages)),
    }
    top = frozenset(task.row.id.int for task in tasks if task.row.parent_task_id is None)
    return RunHistory(
        tasks=tasks, planned=top, submissions=[], cancels=[], measured=measured, raised={}, orders=orders
    )
