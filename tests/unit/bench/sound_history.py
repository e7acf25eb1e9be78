"""A history in which nothing is wrong, for tests that break it in one place.

The template: first -> {left, right} -> last; `right` is tried twice, `left` loses a lease and is taken over.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from bench.chaos.history import (
    Answer,
    Change,
    Event,
    Execution,
    Follow,
    Line,
    RunHistory,
    StageRow,
    Submission,
    TaskHistory,
    TaskRow,
)
from steersman.ids import new_id
from steersman.tasks.planner import Plan
from steersman.tasks.template import parse_template

TASK = UUID(int=7)
COST = Decimal("0.01")
RETRIED = {"error": {"code": "agent_error"}}


def plan(**of_last: Any) -> Plan:
    """Return the template of the history; `of_last` changes its last stage."""
    stages = [
        {"name": "first", "needs": []},
        {"name": "left", "needs": ["first"]},
        {"name": "right", "needs": ["first"]},
        {"name": "last", "needs": ["left", "right"], **of_last},
    ]
    filled = [{"queue": "agent", "capability": "test.do", **stage} for stage in stages]
    return Plan(UUID(int=1), 1, parse_template({"name": "sample", "stages": filled}))


def output(stage: str) -> dict[str, Any]:
    return {"stage": stage}


LOG = (
    Line(1, None, "task.submitted", None),
    Line(2, "first", "stage.ready", 1),
    Line(3, "first", "stage.started", 1),
    Line(4, "first", "stage.completed", 1, agent=True),
    Line(5, "left", "stage.ready", 1),
    Line(6, "right", "stage.ready", 1),
    Line(7, "left", "stage.started", 1),
    Line(8, "right", "stage.started", 1),
    Line(9, "right", "stage.retrying", 1, RETRIED, agent=True),
    Line(10, "left", "stage.started", 2),
    Line(11, "right", "stage.started", 2),
    Line(12, "left", "stage.late", 2),
    Line(13, "left", "stage.completed", 2, agent=True),
    Line(14, "right", "stage.completed", 2, agent=True),
    Line(15, "last", "stage.ready", 1),
    Line(16, "last", "stage.started", 1),
    Line(17, "last", "stage.completed", 1, agent=True),
    Line(18, None, "task.completed", None),
)


def _stage(name: str, attempt: int = 1) -> StageRow:
    return StageRow(
        name=name,
        status="completed",
        attempt=attempt,
        pending_needs=0,
        output=output(name),
        error=None,
        cost_usd=COST,
        tokens=1,
    )


def _ran(stage: str, attempt: int, answer: str | None = "ok") -> Execution:
    ok = answer == "ok"
    return Execution(
        task_id=TASK,
        stage=stage,
        attempt=attempt,
        process="worker",
        answer=answer,
        output=output(stage) if ok else None,
        cost_usd=COST if ok else Decimal(0),
        tokens=int(ok),
    )


def change(number: int, stage: str | None, before: str | None, after: str, **more: Any) -> Change:
    """Return a change in a transaction of its own, unless `more` names one."""
    return Change(
        number=number, stage=stage, before=before, after=after, **{"transaction": 100 + number, **more}
    )


def _changes() -> list[Change]:
    lost, taken = new_id(), new_id()
    return [
        change(1, None, None, "pending"),
        change(2, "first", None, "ready"),
        change(3, "left", None, "pending"),
        change(4, "first", "ready", "running", lease_after=new_id()),
        change(5, None, "pending", "running", transaction=104),
        change(6, "first", "running", "completed"),
        change(7, "left", "pending", "ready", transaction=106),
        change(8, "left", "ready", "running", lease_after=lost),
        change(9, "left", "running", "running", lease_before=lost, lease_after=taken, lease_left_s=-0.2),
        change(10, "left", "running", "completed", lease_before=taken),
        change(11, None, "running", "completed"),
    ]


def ids(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(f"{TASK}-{line.id}" for line in lines)


def follow(log: Sequence[Line]) -> Follow:
    """Return a follow that was begun by a process of the storm, and ended by one of the calm: some came twice."""
    answers = [Answer(ids(log[:3]), ended=False), Answer((), ended=False), Answer(ids(log[1:]), ended=True)]
    return Follow(name="follower-0-1-1", task_id=TASK, answers=answers, taken_up=2, refused=1, calm=True)


def task() -> TaskHistory:
    """Return the history of one task."""
    row = TaskRow(
        id=TASK,
        status="completed",
        input={},
        output=output("last"),
        labels={"chaos": "1"},
        open_sinks=0,
        cost_usd=4 * COST,
        tokens=4,
        finished=True,
    )
    stages = [_stage("first"), _stage("left", 2), _stage("right", 2), _stage("last")]
    shown = [{"name": stage.name, "status": stage.status, "attempt": stage.attempt} for stage in stages]
    return TaskHistory(
        row=row,
        plan=plan(),
        stages={stage.name: stage for stage in stages},
        log=LOG,
        changes=_changes(),
        executions=[
            _ran("first", 1),
            _ran("left", 1),
            _ran("right", 1, "error"),
            _ran("left", 2),
            _ran("right", 2),
            _ran("last", 1),
        ],
        events=[Event(line.id, line.event, line.stage, line.attempt) for line in LOG],
        events_ended=True,
        shown={"status": "completed", "output": output("last"), "stages": shown},
        letters=[],
        follows=[follow(LOG)],
    )


def run() -> RunHistory:
    """Return the history of a run of that one task, asked for twice under one key."""
    measured = {"calls": Decimal(5), "failures": Decimal(1), "cost_usd": 4 * COST, "tokens": Decimal(4)}
    submission = Submission(key="key", numbers=[1], task_ids=[TASK])
    return RunHistory(
        tasks=[task()],
        planned=frozenset({1}),
        submissions=[submission, submission],
        cancels=[],
        measured=measured,
        raised={"sweep: Unavailable": 2},
    )


def with_stage(history: TaskHistory, name: str, **changes: Any) -> TaskHistory:
    """Return the history with another row of a stage."""
    return replace(history, stages={**history.stages, name: replace(history.stages[name], **changes)})


def with_line(history: TaskHistory, number: int, *lines: Line) -> TaskHistory:
    """Return the history with other lines in place of line `number`; its followers see them too."""
    log = [one for line in history.log for one in (lines if line.id == number else (line,))]
    events = [Event(line.id, line.event, line.stage, line.attempt) for line in log]
    return replace(history, log=log, events=events, follows=[follow(log)])
