"""The history of a task that failed, was run again by a person and completed, in which nothing is wrong."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from bench.chaos.history import Change, Event, Follow, Line, Order, RunHistory, TaskHistory
from steersman.tasks.planner import Plan
from steersman.tasks.template import parse_template
from tests.unit.bench import sound_ways
from tests.unit.bench.sound_history import change, follow
from tests.unit.bench.sound_ways import FAILED, ran, stage

AGAIN, KEY = UUID(int=60), "operator-7"
_STAGES = [
    {"name": "one", "queue": "agent", "capability": "test.do"},
    {"name": "two", "queue": "agent", "capability": "test.do", "needs": ["one"]},
]
PLAN = Plan(UUID(int=3), 1, parse_template({"name": "again", "output": "two", "stages": _STAGES}))
RERUN = Line(9, None, "task.rerun", None, {"by": "me", "why": "rerun", "from": ["two"]}, at=5.0)
LOG = (
    Line(1, None, "task.submitted", None, at=0.0),
    Line(2, "one", "stage.ready", 1, at=0.0),
    Line(3, "one", "stage.started", 1, at=0.1),
    Line(4, "one", "stage.completed", 1, agent=True, at=1.0),
    Line(5, "two", "stage.ready", 1, at=1.0),
    Line(6, "two", "stage.started", 1, at=1.1),
    Line(7, "two", "stage.failed", 1, FAILED, agent=True, at=2.0),
    Line(8, None, "task.failed", None, at=2.0),
    RERUN,
    Line(10, "two", "stage.ready", 1, at=5.0),
    Line(11, "two", "stage.started", 2, at=5.1),
    Line(12, "two", "stage.completed", 2, agent=True, at=6.0),
    Line(13, None, "task.completed", None, at=6.0),
)


def changes() -> list[Change]:
    """Return what the trigger saw of the task itself, and of the stage that it did again."""
    return [
        change(1, None, None, "pending"),
        change(2, "two", None, "pending"),
        change(3, None, "pending", "running"),
        change(4, "two", "pending", "ready"),
        change(5, "two", "ready", "running"),
        change(6, "two", "running", "failed"),
        change(7, None, "running", "failed", transaction=106),
        change(8, "two", "failed", "ready"),
        change(9, None, "failed", "pending", transaction=108),
        change(10, "two", "ready", "running"),
        change(11, None, "pending", "running"),
        change(12, "two", "running", "completed"),
        change(13, None, "running", "completed", transaction=112),
    ]


def told(log: tuple[Line, ...] | list[Line]) -> Follow:
    return replace(
        follow(log), task_id=AGAIN, answers=[replace(follow(log).answers[0], ids=ids(log), ended=True)]
    )


def ids(log: tuple[Line, ...] | list[Line]) -> tuple[str, ...]:
    return tuple(f"{AGAIN}-{line.id}" for line in log)


def again(log: tuple[Line, ...] | list[Line] = LOG, **facts: Any) -> TaskHistory:
    """Return the task: one of its followers was told its first end, another one the last."""
    executions = [
        ran(AGAIN, "one"),
        ran(AGAIN, "two", "refused"),
        replace(ran(AGAIN, "two"), attempt=2),
    ]
    stages = [stage("one"), stage("two", attempt=2)]
    task = sound_ways.history(AGAIN, PLAN, "completed", log, stages, executions)
    events = [Event(line.id, line.event, line.stage, line.attempt) for line in log]
    follows = [told(log[:8]), told(log)]
    return replace(task, changes=changes(), events=events, letters=[("two", 1)], follows=follows, **facts)


def order(**changed: Any) -> Order:
    """Return the confirmed order to have it run again."""
    facts: dict[str, Any] = {
        "what": "rerun",
        "task_id": AGAIN,
        "key": KEY,
        "asked_at": 4.9,
        "answered_at": 5.1,
        "status": 200,
    }
    return Order(**{**facts, **changed})


def clone(key: str = "operator-9") -> TaskHistory:
    """Return a clone, which is known by its label."""
    task = sound_ways.asking()
    return replace(task, row=replace(task.row, labels={"clone": key}))


def run(*tasks: TaskHistory, orders: list[Order]) -> RunHistory:
    """Return a run of these tasks, of which only the first was submitted."""
    return replace(sound_ways.run(*tasks, orders=orders), planned=frozenset({AGAIN.int}))
