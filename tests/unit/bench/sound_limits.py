"""Histories of a project that is limited and of a schedule, in which nothing is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from bench.chaos.history import (
    Event,
    Incident,
    Line,
    Order,
    RunHistory,
    ScheduleStep,
    TaskHistory,
    Terms,
)
from tests.unit.bench import sound_ways
from tests.unit.bench.sound_ways import lines

PROJECT, AGENT, SCHEDULE = "metered", "narrow", UUID(int=99)
TERMS = Terms(
    stages_of={PROJECT: 2}, calls_of={AGENT: 1}, lease_s=5.0, known_s=1.0, minute_s=10.0, missed_s=25.0
)
_ASKS = sound_ways.FAN_OUT.of_item("each")


def call(
    number: int, began_at: float, until: float, *, agent: str = "wide", usd: str = "0.01"
) -> TaskHistory:
    """Return a task of the project whose one stage was at an agent in this time, and cost so much."""
    task_id = UUID(int=number)
    log = lines(
        ("task.submitted", None, began_at - 0.2),
        ("stage.ready", "each", began_at - 0.2),
        ("stage.started", "each", began_at - 0.1),
        ("stage.completed", "each", until),
        ("task.completed", None, until),
    )
    cost = Decimal(usd)
    ran = sound_ways.ran(task_id, "each")
    ran = replace(ran, agent=agent, began_at=began_at, answered_at=until, cost_usd=cost)
    stage = sound_ways.stage("each", cost_usd=cost)
    return sound_ways.history(task_id, _ASKS, "completed", log, [stage], [ran], project=PROJECT)


def waited(number: int, asked_at: float, until: float) -> TaskHistory:
    """Return a task of the project that waited for the budget of the day and then ran at once."""
    task = call(number, until + 0.1, until + 0.2)
    detail = {"kind": "budget", "scope": "project_day", "reason": "spent"}
    waits = [
        Line(3, "each", "stage.started", 1, at=asked_at),
        Line(4, "each", "stage.awaiting", 1, detail, at=asked_at + 0.1),
    ]
    rest = [replace(line, id=line.id + 2) for line in task.log[2:]]
    log = [replace(task.log[0], at=asked_at), replace(task.log[1], at=asked_at), *waits, *rest]
    told = [Event(one.id, one.event, one.stage, one.attempt) for one in log]
    return replace(task, log=log, events=told)


def limit(at: float, usd: str | None, **changes: Any) -> Order:
    """Return the confirmed order to set the budget of the day."""
    limits = {"max_running_stages": 2, "usd_per_day": usd, "tokens_per_day": None}
    facts: dict[str, Any] = {"what": "limit", "name": PROJECT, "asked_at": at, "answered_at": at + 0.1}
    return Order(**{**facts, "status": 200, "limits": limits, **changes})


def limited(
    *tasks: TaskHistory, orders: Sequence[Order] = (), incidents: Sequence[Incident] = ()
) -> RunHistory:
    """Return a run of these tasks under the limits."""
    return replace(sound_ways.run(*tasks, orders=orders), terms=TERMS, incidents=incidents)


def made(number: int, due_at: float, began_at: float, until: float) -> TaskHistory:
    """Return the task that the schedule made for one of its times."""
    task = call(number, began_at + 0.2, until)
    labels = {"schedule": "nightly"}
    row = replace(task.row, project="default", schedule_id=SCHEDULE, due_at=due_at, labels=labels)
    return replace(task, row=row)


def step(due_at: float | None, next_at: float, at: float, **changes: Any) -> ScheduleStep:
    """Return a change of the schedule: by default its time `due_at` made a task and it went on."""
    facts: dict[str, Any] = {
        "was_paused": False,
        "paused": False,
        "rate": "1 minute",
        "rate_before": "1 minute",
        "overlap": "skip",
        "catch_up": "one",
        "last_at": due_at,
    }
    return ScheduleStep(at=at, due_at=due_at, next_at=next_at, **{**facts, **changes})


def steps() -> list[ScheduleStep]:
    """Return the way of a schedule: made, two times with a task, one left out, paused and resumed."""
    first, second = UUID(int=51), UUID(int=52)
    return [
        step(None, 110.0, 100.0, rate_before=None),
        step(110.0, 120.0, 110.5, last_task_id=first),
        step(120.0, 130.0, 121.0, last_at=110.0, skipped_at=120.0, last_task_id=first),
        step(130.0, 140.0, 131.0, last_task_id=second),
        step(140.0, 140.0, 132.0, paused=True, last_at=130.0, last_task_id=second),
        step(140.0, 160.0, 155.0, was_paused=True, last_at=130.0, last_task_id=second),
    ]


def scheduled(
    *tasks: TaskHistory,
    taken: Sequence[ScheduleStep] | None = None,
    orders: Sequence[Order] = (),
) -> RunHistory:
    """Return a run of what the schedule made, and of its way."""
    tasks = tasks or (made(51, 110.0, 110.4, 122.0), made(52, 130.0, 130.9, 131.5))
    way: Mapping[UUID, Sequence[ScheduleStep]] = {SCHEDULE: steps() if taken is None else taken}
    found = sound_ways.run(*tasks, orders=orders)
    return replace(found, terms=TERMS, schedules=way, planned=frozenset())
