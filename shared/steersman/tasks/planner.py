"""What happens next, as pure functions on plain data: no clock, no store, no environment.

The store carries these decisions out in set-based statements; the properties in tests/unit/tasks hold both
to the same model.
"""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from steersman.errors import AgentError, AgentThrottled, RateLimited, StageTimeout, SteersmanError
from steersman.tasks import expressions
from steersman.tasks.schema import Schema
from steersman.tasks.template import Backoff, Stage, Template
from steersman.tasks.words import FailureKind, OnError, Orchestrator, StageKind, StageStatus

Result = Mapping[str, Any] | None
# What a template computes once.
_COMPUTED = tuple(name for name, value in vars(Template).items() if isinstance(value, cached_property))


@dataclass(frozen=True)
class NewStage:
    """A stage as a task begins."""

    name: str
    position: int
    queue: str
    capability: str
    pending_needs: int
    status: StageStatus


class Renewed(NamedTuple):
    """A stage of an ended task that is done anew when the task runs again."""

    name: str
    status: StageStatus
    pending_needs: int


class Decision(NamedTuple):
    """What becomes of one attempt.

    `status` is the stage's new status; READY means that it is tried again after `retry_delay_s`.
    `fails_task` ends the whole task with `error`; `undoes_task` does so when what it did is undone. `releases` are
    the stages that now wait for one need less.
    """

    status: StageStatus
    output: Result = None
    error: Mapping[str, Any] | None = None
    retry_delay_s: float | None = None
    fails_task: bool = False
    undoes_task: bool = False
    releases: tuple[str, ...] = ()
    ends_sink: bool = False
    gives_task_output: bool = False

    @property
    def ends_badly(self) -> bool:
        """Whether the task fails of this, at once or when what it did is undone."""
        return self.fails_task or self.undoes_task


@dataclass(frozen=True)
class Plan:
    """A template made ready to run: published under `template_id`, its expressions and schemas compiled.

    `state_machine` is the ARN of the state machine's version that it was compiled to, if any.
    """

    template_id: UUID
    version: int
    template: Template
    state_machine: str | None = None
    _schemas: dict[tuple[str, str], Schema | None] = field(default_factory=dict)
    _of_items: dict[str, "Plan"] = field(default_factory=dict)

    @cached_property
    def new_stages(self) -> tuple[NewStage, ...]:
        return tuple(
            NewStage(
                stage.name,
                position,
                stage.queue,
                stage.capability,
                len(stage.needs),
                StageStatus.PENDING if stage.needs else StageStatus.READY,
            )
            for position, stage in enumerate(self.template.planned)
        )

    @property
    def orchestrator(self) -> Orchestrator:
        """What decides the next stage: a state machine where the template has one."""
        return Orchestrator.STEP_FUNCTIONS if self.state_machine else Orchestrator.QUEUE

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The stages that are ready from the start, in template order."""
        return tuple(stage.name for stage in self.new_stages if stage.status is StageStatus.READY)

    @cached_property
    def input_schema(self) -> Schema | None:
        """The compiled schema of a task's input, or None where the template has none."""
        document = self.template.input_schema
        return Schema(document) if document is not None else None

    def of_item(self, name: str) -> "Plan":
        """Return the plan of one item of a fan-out: this stage alone, without needs."""
        if name not in self._of_items:
            alone = self.stage(name).model_copy(
                update={
                    "needs": (),
                    "when": None,
                    "for_each": None,
                    "undo": None,
                    "on_error": OnError.FAIL,
                    "fallback": None,
                }
            )
            template = self.template.model_copy(
                update={"stages": (alone,), "output": None, "input_schema": None}
            )
            # A copy keeps what was computed of the whole.
            for computed in _COMPUTED:
                template.__dict__.pop(computed, None)
            self._of_items[name] = Plan(self.template_id, self.version, template, self.state_machine)
        return self._of_items[name]

    def stage(self, name: str) -> Stage:
        return self.template.by_name[name]

    def visible(self, name: str, results: Mapping[str, Result]) -> dict[str, Result]:
        """Return the results that a stage sees: those of its ancestors, None where they gave none."""
        return {ancestor: results.get(ancestor) for ancestor in self.template.ancestors_in_order[name]}

    def wanted(self, name: str, task_input: Mapping[str, Any], results: Mapping[str, Result]) -> bool:
        """Say whether the stage's `when` lets it run; a falsy value (false, null, empty) does not.

        Raises ExpressionFailed when `when` cannot be applied to these values (the length of null, for one).
        """
        when = self.stage(name).when
        if when is None:
            return True
        return bool(expressions.evaluate("when", when, {"input": task_input, "results": results}))

    def schema(self, name: str, kind: str) -> Schema | None:
        """Return the compiled `input_schema` or `output_schema` of a stage, or None where it has none.

        Those of a fan-out are for its items, not for their list.
        """
        key = (name, kind)
        if key not in self._schemas:
            document = None if self.stage(name).for_each else getattr(self.stage(name), kind)
            self._schemas[key] = None if document is None else Schema(document)
        return self._schemas[key]

    def completed(self, name: str, output: Mapping[str, Any]) -> Decision:
        return self._ended(name, StageStatus.COMPLETED, output=output)

    def skipped(self, name: str, error: Mapping[str, Any] | None = None) -> Decision:
        return self._ended(name, StageStatus.SKIPPED, error=error)

    def failed(self, name: str, attempt: int, error: SteersmanError, rng: random.Random) -> Decision:
        """Decide what follows a failed attempt: a retry, or what the stage's `on_error` says."""
        stage = self.stage(name)
        reason = describe(error)
        kind = kind_of(error)
        rule, throttled = _rule(stage, kind), kind is FailureKind.THROTTLED
        if rule is not None and attempt < rule.max_attempts:
            delay = retry_delay_s(rule, attempt, rng, at_least_s=error.retry_after_s if throttled else None)
            return Decision(status=StageStatus.READY, error=reason, retry_delay_s=delay)
        if stage.on_error is OnError.SKIP:
            return self.skipped(name, reason)
        if stage.on_error is OnError.FALLBACK:
            return self._ended(name, StageStatus.COMPLETED, output=stage.fallback, error=reason)
        return self.fatal(reason)

    def undone(self, then: str | None, output: Result, error: Mapping[str, Any] | None) -> Decision:
        """End a stage that undoes another; `then` undoes what completed before that, whether this one could or not."""
        return Decision(
            status=StageStatus.COMPLETED if error is None else StageStatus.FAILED,
            output=output,
            error=error,
            releases=(then,) if then else (),
            ends_sink=then is None,
        )

    def reset(self, from_stages: Collection[str], statuses: Mapping[str, StageStatus]) -> tuple[Renewed, ...]:
        """Return the stages of an ended task that are done anew, in template order.

        These are `from_stages`, what did not end well, and all that comes after them; every other stage keeps its
        result. They are ready where none of their needs is among them, else they wait for those that are.
        """
        well = (StageStatus.COMPLETED, StageStatus.SKIPPED)
        begins = {name for name, status in statuses.items() if status not in well}.union(from_stages)
        anew = {
            stage.name
            for stage in self.template.planned
            if stage.name in begins or not begins.isdisjoint(self.template.ancestors[stage.name])
        }
        waits = {name: sum(need in anew for need in self.stage(name).needs) for name in anew}
        return tuple(
            Renewed(
                stage.name, StageStatus.PENDING if waits[stage.name] else StageStatus.READY, waits[stage.name]
            )
            for stage in self.template.planned
            if stage.name in anew
        )

    def fatal(self, reason: Mapping[str, Any]) -> Decision:
        """End the stage and its task, whatever the template says of errors."""
        undoes = bool(self.template.undoes)
        return Decision(status=StageStatus.FAILED, error=reason, fails_task=not undoes, undoes_task=undoes)

    def _ended(
        self, name: str, status: StageStatus, *, output: Result = None, error: Mapping[str, Any] | None = None
    ) -> Decision:
        dependants = self.template.dependants[name]
        return Decision(
            status=status,
            output=output,
            error=error,
            releases=dependants,
            ends_sink=not dependants,
            gives_task_output=name == self.template.output_stage,
        )


def kind_of(error: SteersmanError) -> FailureKind | None:
    """Return the kind of a failure that templates can name, or None for any other that can be tried again."""
    if not error.retryable:
        return FailureKind.PERMANENT
    if isinstance(error, (AgentThrottled, RateLimited)):
        return FailureKind.THROTTLED
    return FailureKind.TIMEOUT if isinstance(error, StageTimeout) else None


def _rule(stage: Stage, kind: FailureKind | None) -> Backoff | None:
    """Return what holds for a failure, or None when it is final. Who said no is not asked again, and what items failed
    of has been tried again by them.
    """
    asks_again = stage.calls_agent or (stage.kind is StageKind.TASK and not stage.for_each)
    return stage.retry.rule(kind) if asks_again or kind is not FailureKind.PERMANENT else None


def retry_delay_s(
    retry: Backoff, attempt: int, rng: random.Random, *, at_least_s: float | None = None
) -> float:
    """Return the delay after failed attempt number `attempt` (from 1): full jitter under an exponential bound.

    What an agent asks for comes before the jitter, so that a batch does not come back at once; the ceiling is for both.
    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, the variant called full jitter.
    """
    bound = min(retry.max_backoff_s, retry.backoff_s * retry.factor ** (attempt - 1))
    return min((at_least_s or 0) + rng.uniform(0, bound), retry.max_backoff_s)


def describe(error: SteersmanError) -> dict[str, Any]:
    """Return an error as it is stored with a stage and shown: code, message, faults; never a payload."""
    described: dict[str, Any] = {"code": error.code, "message": error.message, "retryable": error.retryable}
    if error.faults:
        described["faults"] = [{"field": fault.field, "reason": fault.reason} for fault in error.faults]
    return described


class DeadlinePassed(AgentError):
    """The task's deadline came before its end."""

    code = "deadline_passed"
    retryable = False


class BudgetSpent(AgentError):
    """The task's budget is spent before its end."""

    code = "budget_spent"
    retryable = False


class LeaseLost(AgentError):
    """The worker that ran an attempt crashed or fell silent."""

    code = "lease_lost"
