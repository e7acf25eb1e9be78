"""A task in memory, carried along by the planner's decisions alone: what the engine on SQL must agree with."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from hypothesis import strategies as st

from steersman.errors import AgentError, AgentRefused
from steersman.tasks.planner import Decision, Plan
from steersman.tasks.template import parse_template
from steersman.tasks.words import StageStatus, TaskStatus

Answer = Literal["go", "stay", "fail", "refuse"]
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
    return AgentRefused("never") if answer == "refuse" else AgentError("not now")


@dataclass
class ReferenceTask:
    """The state of one task. `started` has every attempt that reached an agent or was settled without one."""

    script: Script
    plan: Plan
    rng: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - jitter
    status: TaskStatus = TaskStatus.PENDING
    output: Mapping[str, Any] | None = None
    started: list[tuple[str, int]] = field(default_factory=list)

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
        decisions = {name: self._decide(name) for name in names}
        fails = any(decision.fails_task for decision in decisions.values())
        for name, decision in decisions.items():
            self._carry_out(name, decision, fails)
        if fails:
            self.status = TaskStatus.FAILED
            for name, status in self.stages.items():
                if not status.final:
                    self.stages[name] = StageStatus.CANCELLED
        elif self.open_sinks == 0:
            self.status = TaskStatus.COMPLETED
        else:
            retries = any(decision.status is StageStatus.READY for decision in decisions.values())
            self.status = TaskStatus.RETRYING if retries else TaskStatus.RUNNING

    def _decide(self, name: str) -> Decision:
        if not self.plan.wanted(name, {}, self.plan.visible(name, self.results)):
            return self.plan.skipped(name)
        answer = self.script.answer(name, self.attempts[name])
        if answer in {"go", "stay"}:
            return self.plan.completed(name, output_of(name, answer))
        return self.plan.failed(name, self.attempts[name], error_of(answer), self.rng)

    def _carry_out(self, name: str, decision: Decision, fails: bool) -> None:
        if decision.status is StageStatus.READY:
            self.attempts[name] += not fails
            return
        self.stages[name] = decision.status
        self.results[name] = decision.output
        if decision.gives_task_output:
            self.output = decision.output
        if not fails:
            self.open_sinks -= decision.ends_sink
            for dependant in decision.releases:
                self.pending[dependant] -= 1
                if self.pending[dependant] == 0:
                    self.stages[dependant] = StageStatus.READY


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
