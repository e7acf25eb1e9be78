"""A task in memory, carried along by the planner's decisions alone: what the engine on SQL must agree with.

It counts as the engine's statements do (open needs, open sinks); the model in `model` counts nothing.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from steersman.errors import AgentError, AgentRefused, StageTimeout
from steersman.tasks.expressions import ExpressionFailed
from steersman.tasks.planner import (
    DeadlinePassed,
    Decision,
    LeaseLost,
    Plan,
    Result,
    describe,
)
from steersman.tasks.template import parse_template
from steersman.tasks.words import StageStatus, TaskStatus
from tests.unit.tasks.carrier import Answer
from tests.unit.tasks.histories import Event

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Script:
    """A template, and what its agents answer: to each attempt at each stage, the last answer again and again."""

    document: dict[str, Any]
    answers: Mapping[str, Sequence[Answer]]

    def plan(self) -> Plan:
        return Plan(UUID(int=1), 1, parse_template(self.document))

    def answer(self, stage: str, attempt: int) -> Answer:
        given = self.answers[stage]
        return given[min(attempt, len(given)) - 1]


def output_of(stage: str, answer: Answer) -> dict[str, Any]:
    return {"stage": stage, "go": answer == "go"}


def error_of(answer: Answer) -> AgentError:
    if answer == "timeout":
        return StageTimeout("too slow")
    return AgentRefused("never") if answer == "refuse" else AgentError("not now")


@dataclass
class ReferenceTask:
    """The state of one task. `started` has every attempt that reached an agent or was settled without one."""

    script: Script
    plan: Plan
    rng: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - jitter
    status: TaskStatus = TaskStatus.PENDING
    output: Mapping[str, Any] | None = None
    tokens: int = 0
    failed_at: str | None = None
    started: list[tuple[str, int]] = field(default_factory=list)
    leases: dict[str, UUID] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        new = self.plan.new_stages
        self.stages = {stage.name: stage.status for stage in new}
        self.pending = {stage.name: stage.pending_needs for stage in new}
        self.attempts = dict.fromkeys(self.stages, 1)
        self.results: dict[str, Mapping[str, Any] | None] = {}
        self.open_sinks = len(self.plan.template.sinks)

    def ready(self) -> list[str]:
        return [name for name, status in self.stages.items() if status is StageStatus.READY]

    def run(self, names: Sequence[str]) -> None:
        """Do a batch: one attempt at each of these ready stages."""
        self.started += [(name, self.attempts[name]) for name in names]
        lease = UUID(int=len(self.started))
        for name in names:
            self.claim(name, self.attempts[name], lease)
        self.complete([(name, lease, self._decide(name), 0) for name in names])

    def claim(self, name: str, attempt: int, lease: UUID) -> str:
        """Lease an attempt at a stage and return the verdict, one of those of sql/claim.sql."""
        status = self.stages[name]
        if status.final:
            return "over" if status is StageStatus.CANCELLED else "done"
        if status is StageStatus.RUNNING and self.leases[name] != lease:
            if name not in self.expired:
                return "busy"
            self.attempts[name] += 1
        elif status is StageStatus.READY and attempt < self.attempts[name]:
            return "stale"
        elif status is StageStatus.PENDING:
            return "busy"
        self.stages[name] = StageStatus.RUNNING
        self.leases[name] = lease
        self.expired.discard(name)
        self.status = TaskStatus.RUNNING
        return "claimed"

    def complete(self, outcomes: Sequence[tuple[str, UUID, Decision, int]]) -> list[Event]:
        """Carry out a batch of decisions (stage, lease, decision, tokens) where the lease is held; tell of all."""
        held, events = dict[str, Decision](), list[Event]()
        for name, lease, decision, tokens in outcomes:
            if self.leases.get(name) != lease:
                events.append(("stage.late", name, self.attempts[name]))
            elif self.stages[name] is StageStatus.RUNNING:
                held[name] = decision
                self.tokens += tokens
        for name, decision in held.items():
            events += self._carry_out(name, decision)
        failing = [name for name, decision in held.items() if decision.fails_task]
        if failing:
            self.failed_at = min(failing)
            return events + self.stop(TaskStatus.FAILED)
        if held and self.open_sinks == 0:
            self.status = TaskStatus.COMPLETED
            events.append(("task.completed", None, None))
        elif any(decision.status is StageStatus.READY for decision in held.values()):
            self.status = TaskStatus.RETRYING
        return events

    def stop(self, status: TaskStatus) -> list[Event]:
        """End the task, and every stage that has not ended; nothing happens to one that has ended."""
        if self.status.final:
            return []
        self.status = status
        left = [name for name, stage in self.stages.items() if not stage.final]
        self.stages |= dict.fromkeys(left, StageStatus.CANCELLED)
        for name in left:
            self.leases.pop(name, None)
        return [
            *(("stage.cancelled", name, self.attempts[name]) for name in left),
            (f"task.{status}", None, None),
        ]

    def _decide(self, name: str) -> Decision:
        answer = self.script.answer(name, self.attempts[name])
        results = self.plan.visible(name, self.results)
        return decide(self.plan, name, self.attempts[name], {}, results, answer, self.rng)

    def _carry_out(self, name: str, decision: Decision) -> list[Event]:
        attempt = self.attempts[name]
        self.stages[name] = decision.status
        if decision.status is StageStatus.READY:
            self.attempts[name] += 1
            return [("stage.retrying", name, attempt)]
        events: list[Event] = [(f"stage.{decision.status}", name, attempt)]
        self.results[name] = decision.output
        if decision.gives_task_output:
            self.output = decision.output
        self.open_sinks -= decision.ends_sink
        for dependant in decision.releases:
            self.pending[dependant] -= 1
            if self.pending[dependant] == 0:
                self.stages[dependant] = StageStatus.READY
                events.append(("stage.ready", dependant, 1))
        return events


def decide(
    plan: Plan,
    name: str,
    attempt: int,
    task_input: Mapping[str, Any],
    results: Mapping[str, Result],
    answer: Answer,
    rng: random.Random,
    *,
    overdue: bool = False,
) -> Decision:
    """Return what the planner makes of an attempt, asked in the order in which the engine asks it."""
    if overdue:
        return plan.fatal(describe(DeadlinePassed("too late")))
    if attempt > plan.stage(name).retry.most_attempts:
        return plan.failed(name, attempt, LeaseLost("the last worker fell silent"), rng)
    try:
        if not plan.wanted(name, task_input, results):
            return plan.skipped(name)
    except ExpressionFailed as exc:
        return plan.failed(name, attempt, exc, rng)
    if answer in {"go", "stay"}:
        return plan.completed(name, output_of(name, answer))
    return plan.failed(name, attempt, error_of(answer), rng)


@st.composite
def scripts(draw: st.DrawFn, max_stages: int = 12) -> Script:
    """Draw a valid DAG with retries, conditions and error handling, and the answers of its agents."""
    names = [f"s{number}" for number in range(draw(st.integers(1, max_stages)))]
    ancestors: dict[str, set[str]] = {}
    stages = []
    for position, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:position]), unique=True, max_size=4)) if position else []
        ancestors[name] = set(needs).union(*(ancestors[need] for need in needs))
        stages.append(_stage(draw, name, needs, sorted(ancestors[name])))
    document = {
        "name": "drawn",
        "output": draw(st.sampled_from(names)),
        "stages": draw(st.permutations(stages)),
    }
    answer = st.sampled_from(["go", "go", "go", "stay", "fail", "fail", "refuse"])
    answers = draw(
        st.fixed_dictionaries(dict.fromkeys(names, st.lists(answer, min_size=1, max_size=MAX_ATTEMPTS)))
    )
    return Script(document, answers)


def _stage(draw: st.DrawFn, name: str, needs: list[str], readable: list[str]) -> dict[str, Any]:
    on_error = draw(st.sampled_from(["fail", "skip", "skip", "fallback"]))
    stage: dict[str, Any] = {
        "name": name,
        "queue": draw(st.sampled_from(["executor", "agent", "intent"])),
        "capability": "test.do",
        "needs": needs,
        "on_error": on_error,
        "retry": {"max_attempts": draw(st.integers(1, MAX_ATTEMPTS)), "backoff_s": 0.01},
    }
    if on_error == "fallback":
        stage["fallback"] = {"stage": name, "go": True}
    if readable and draw(st.integers(0, 3)) == 0:
        stage["when"] = f"results.{draw(st.sampled_from(readable))}.go"
    return stage
