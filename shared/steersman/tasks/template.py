"""Templates: named, versioned, immutable DAGs of stages, as data, and everything that can be wrong with one."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError, model_validator

from steersman.errors import Fault, InvalidInput
from steersman.tasks import expressions
from steersman.tasks.kind_faults import kind_faults
from steersman.tasks.schema import Schema
from steersman.tasks.stage_kinds import (
    NO_AGENT,
    YEAR_S,
    Approval,
    ForEach,
    JsonObject,
    NestedTask,
    Part,
    TemplateName,
    Wait,
)
from steersman.tasks.words import FailureKind, OnError, Orchestrator, Queue, StageKind

MAX_STAGES = 100
MAX_STAGE_TIMEOUT_S = 100.0  # a stage function lives 120 s: an attempt must end before it

StageName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Capability = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=100)
]


class Backoff(Part):
    """How often a stage is tried in all, and the waits between: exponential, with full jitter, up to a ceiling."""

    max_attempts: int = Field(default=3, ge=1, le=100)
    backoff_s: float = Field(default=1.0, gt=0, le=86_400, description="Upper bound of the first delay")
    factor: float = Field(default=2.0, ge=1, le=10)
    max_backoff_s: float = Field(
        default=60.0, gt=0, le=604_800, description="Ceiling of every delay, a week at most"
    )


class Retry(Backoff):
    """When and how often a failed attempt is tried again, and which kinds of failures have rules of their own."""

    on: dict[FailureKind, Backoff] = Field(
        default={}, description="Instead of these, for failures of a kind; permanent ones are else final"
    )

    def rule(self, kind: FailureKind | None) -> Backoff | None:
        """Return what holds for a failure of `kind` (None: of no kind with a name), or None when it is final."""
        if kind in self.on:
            return self.on[kind]
        return None if kind is FailureKind.PERMANENT else self

    @property
    def most_attempts(self) -> int:
        """How many attempts there can be, whatever they fail of."""
        return max([self.max_attempts, *(rule.max_attempts for rule in self.on.values())])


class Stage(Part):
    """One node: runs on `queue`, asks for `capability`, starts when all of `needs` have ended.

    Of another kind than `agent` it needs no capability, and its queue is `agent` unless it says otherwise.
    """

    name: StageName
    kind: StageKind = StageKind.AGENT
    queue: Queue
    capability: Capability
    needs: tuple[StageName, ...] = ()
    timeout_s: float = Field(default=30.0, ge=0.1, le=MAX_STAGE_TIMEOUT_S)
    retry: Retry = Retry()
    when: str | None = Field(
        default=None,
        max_length=1000,
        description="JMESPath over {input, results}; a falsy value skips the stage",
    )
    on_error: OnError = OnError.FAIL
    fallback: JsonObject | None = Field(default=None, description="The output used by on_error: fallback")
    input_schema: JsonObject | None = Field(default=None, description="JSON Schema of {input, results}")
    output_schema: JsonObject | None = Field(default=None, description="JSON Schema of the stage's output")
    for_each: ForEach | None = None
    task: NestedTask | None = Field(default=None, description="With kind: task")
    approval: Approval | None = Field(default=None, description="With kind: approval")
    wait: Wait | None = Field(default=None, description="With kind: wait")
    undo: StageName | None = Field(
        default=None, description="The stage that undoes this one when the task fails after it"
    )

    @model_validator(mode="before")
    @classmethod
    def _places_of_kinds(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("kind", StageKind.AGENT) in NO_AGENT:
            return {"queue": Queue.AGENT, "capability": given["kind"], **given}
        return given

    @property
    def calls_agent(self) -> bool:
        """Whether an attempt at this stage is a job for an agent, with nothing before or after."""
        return self.kind is StageKind.AGENT and self.for_each is None


class Template(Part):
    """A DAG of stages. Build one with `parse_template`, which also checks what single fields cannot say."""

    name: TemplateName
    description: str = Field(default="", max_length=2000)
    orchestrator: Orchestrator = Field(
        default=Orchestrator.QUEUE, description="What decides the next stage: `queue` or `step_functions`"
    )
    deadline_s: float = Field(default=300.0, ge=1, le=YEAR_S)
    output: StageName | None = Field(default=None, description="The stage whose output is the task's")
    input_schema: JsonObject | None = Field(default=None, description="JSON Schema of the task's input")
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=MAX_STAGES)

    @cached_property
    def by_name(self) -> dict[str, Stage]:
        return {stage.name: stage for stage in self.stages}

    @cached_property
    def dependants(self) -> dict[str, tuple[str, ...]]:
        """Stage name -> the stages that need it."""
        return {
            stage.name: tuple(other.name for other in self.stages if stage.name in other.needs)
            for stage in self.stages
        }

    @cached_property
    def spreads(self) -> bool:
        """Whether a stage may start tasks."""
        return any(stage.for_each or stage.kind is StageKind.TASK for stage in self.stages)

    @cached_property
    def waits(self) -> bool:
        """Whether a stage may wait for a person or a time."""
        return any(stage.kind in {StageKind.APPROVAL, StageKind.WAIT} for stage in self.stages)

    @cached_property
    def undoes(self) -> dict[str, str]:
        """Stage that undoes -> stage that it undoes. Such a stage runs only when the task fails."""
        return {stage.undo: stage.name for stage in self.stages if stage.undo}

    @cached_property
    def planned(self) -> tuple[Stage, ...]:
        """The stages of every task, in template order: all but those that undo."""
        return tuple(stage for stage in self.stages if stage.name not in self.undoes)

    @cached_property
    def sinks(self) -> tuple[str, ...]:
        """The stages that nothing needs: when they have all ended, every stage has."""
        return tuple(stage.name for stage in self.planned if not self.dependants[stage.name])

    @cached_property
    def ancestors(self) -> dict[str, frozenset[str]]:
        """Stage name -> every stage that has ended before it starts."""
        found: dict[str, frozenset[str]] = {}
        for stage in _in_order(self.stages):
            found[stage.name] = frozenset(stage.needs).union(*(found[need] for need in stage.needs))
        for name, undone in self.undoes.items():
            found[name] = found[undone] | {undone}
        return found

    @cached_property
    def ancestors_in_order(self) -> dict[str, tuple[str, ...]]:
        """Stage name -> its ancestors, by name."""
        return {name: tuple(sorted(ancestors)) for name, ancestors in self.ancestors.items()}

    @property
    def output_stage(self) -> str:
        return self.output or self.sinks[0]


def parse_template(document: Mapping[str, Any]) -> Template:
    """Return the template in `document`; raise InvalidInput with every fault found, each with its place."""
    try:
        template = Template.model_validate(document)
    except ValidationError as exc:
        raise InvalidInput("the template is not valid", faults=_faults_of(exc)) from None
    faults = (*_graph_faults(template), *_schema_faults(template), *kind_faults(template))
    if not faults:
        faults = (*_output_faults(template), *_expression_faults(template))
    if faults:
        raise InvalidInput("the template is not valid", faults=faults)
    return template


def expressions_of(stage: Stage) -> list[tuple[str, str]]:
    """Return the JMESPath expressions of a stage, each with its field."""
    found = [
        ("when", stage.when),
        ("for_each.items", stage.for_each and stage.for_each.items),
        ("for_each.input", stage.for_each and stage.for_each.input),
        ("task.input", stage.task and stage.task.input),
        ("wait.until", stage.wait and stage.wait.until),
    ]
    return [(field, expression) for field, expression in found if expression]


def _faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Return what is wrong, each at its innermost place: a list without its wrong items is not too short by that."""
    found = error.errors(include_url=False)
    places = [one["loc"] for one in found]
    return tuple(
        Fault(_path(one["loc"]), one["msg"].removeprefix("Value error, "))
        for one in found
        if not any(
            len(place) > len(one["loc"]) and place[: len(one["loc"])] == one["loc"] for place in places
        )
    )


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def _graph_faults(template: Template) -> list[Fault]:
    faults = []
    seen: dict[str, int] = {}
    for position, stage in enumerate(template.stages):
        if stage.name in seen:
            faults.append(
                Fault(
                    f"stages.{position}.name",
                    f"'{stage.name}' is already the name of stages.{seen[stage.name]}",
                )
            )
        seen.setdefault(stage.name, position)
    for position, stage in enumerate(template.stages):
        for index, need in enumerate(stage.needs):
            place = f"stages.{position}.needs.{index}"
            if need == stage.name:
                faults.append(Fault(place, f"'{need}' needs itself"))
            elif need not in seen:
                faults.append(Fault(place, f"there is no stage '{need}'"))
            elif need in stage.needs[:index]:
                faults.append(Fault(place, f"'{need}' is named twice"))
        if stage.on_error is OnError.FALLBACK and stage.fallback is None:
            faults.append(
                Fault(f"stages.{position}.fallback", "on_error is 'fallback', which needs a fallback output")
            )
        if stage.on_error is not OnError.FALLBACK and stage.fallback is not None:
            faults.append(Fault(f"stages.{position}.fallback", f"never used: on_error is '{stage.on_error}'"))
    return faults or _cycle_faults(template)


def _cycle_faults(template: Template) -> list[Fault]:
    startable = {stage.name for stage in _in_order(template.stages)}
    stuck = {stage.name: stage for stage in template.stages if stage.name not in startable}
    in_cycles: set[str] = set()
    faults = []
    for name in stuck:
        cycle = _cycle_through(name, stuck)
        if cycle and not in_cycles & set(cycle):
            in_cycles |= set(cycle)
            place = f"stages.{template.stages.index(stuck[name])}.needs"
            faults.append(Fault(place, f"the stages wait for each other: {' -> '.join([*cycle, cycle[0]])}"))
    for position, stage in enumerate(template.stages):
        if stage.name in stuck and not _cycle_through(stage.name, stuck):
            faults.append(Fault(f"stages.{position}", f"'{stage.name}' is unreachable: it waits for a cycle"))
    return faults


def _cycle_through(start: str, stages: Mapping[str, Stage]) -> list[str]:
    """Return the names on one cycle through `start`, in the order of `needs`, or nothing."""
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        for need in stages[name].needs:
            if need == start:
                path = [name]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if need in stages and need not in came_from:
                came_from[need] = name
                waiting.append(need)
    return []


def _in_order(stages: tuple[Stage, ...]) -> list[Stage]:
    """Return the stages that can start, each after its needs (Kahn's algorithm; what is on a cycle stays out)."""
    ordered: list[Stage] = []
    done: set[str] = set()
    left = list(stages)
    while ready := [stage for stage in left if done.issuperset(stage.needs)]:
        ordered.extend(ready)
        done.update(stage.name for stage in ready)
        left = [stage for stage in left if stage.name not in done]
    return ordered


def _schema_faults(template: Template) -> list[Fault]:
    schemas: list[tuple[str, JsonObject | None]] = [("input_schema", template.input_schema)]
    for position, stage in enumerate(template.stages):
        schemas.append((f"stages.{position}.input_schema", stage.input_schema))
        schemas.append((f"stages.{position}.output_schema", stage.output_schema))
        if stage.approval:
            schemas.append((f"stages.{position}.approval.answer_schema", stage.approval.answer_schema))
    faults = []
    for place, document in schemas:
        try:
            if document is not None:
                Schema(document)
        except ValueError as exc:
            faults.append(Fault(place, f"not a JSON Schema 2020-12: {exc}"))
    for position, stage in enumerate(template.stages):
        if stage.fallback is not None and stage.output_schema is not None and not faults:
            faults.extend(Schema(stage.output_schema).faults(stage.fallback, f"stages.{position}.fallback"))
    return faults


def _output_faults(template: Template) -> list[Fault]:
    if template.output is not None and template.output not in template.by_name:
        return [Fault("output", f"there is no stage '{template.output}'")]
    if template.output is None and len(template.sinks) > 1:
        return [
            Fault("output", f"say which stage gives the output: {', '.join(template.sinks)} all end the DAG")
        ]
    return []


def _expression_faults(template: Template) -> list[Fault]:
    faults: list[Fault] = []
    for position, stage in enumerate(template.stages):
        for field, expression in expressions_of(stage):
            place = f"stages.{position}.{field}"
            if wrong := expressions.wrong_with(expression):
                faults.extend(Fault(place, reason) for reason in wrong)
                continue
            for name in sorted(expressions.results_read(expression) - template.ancestors[stage.name]):
                known = "does not end before this stage" if name in template.by_name else "does not exist"
                faults.append(Fault(place, f"reads results.{name}, but stage '{name}' {known}"))
    return faults
