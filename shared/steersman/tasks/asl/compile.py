"""From a template to a state machine in Amazon States Language: a pure function.

Source: Amazon States Language Specification, states-language.net, with the callback pattern and the quotas of the
AWS Step Functions Developer Guide.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from steersman.errors import Fault, InvalidInput
from steersman.json import dumps
from steersman.tasks.asl import history
from steersman.tasks.asl.conditions import Conditions, said_yes
from steersman.tasks.asl.nesting import Nesting
from steersman.tasks.asl.parts import Tree
from steersman.tasks.asl.shape import AddedJoin, shape_of
from steersman.tasks.asl.states import PATIENCE_S, StageStates, States
from steersman.tasks.asl.words import QUEUE_PREFIX
from steersman.tasks.template import Stage, Template

MAX_BYTES = 1024 * 1024
MAX_NAME = 80
# The deadline is kept in PostgreSQL, which ends the task and its execution; this is for what it cannot reach.
GRACE_S = 3600


@dataclass(frozen=True)
class Compiled:
    """A state machine's definition; the joins that its shape adds, and how many pairs of stages wait that need not.

    `inline` are the fan-outs whose items run within the execution, each other one has an execution for each item;
    `most_events` is the longest history that one execution can have, silence of workers apart.
    """

    definition: dict[str, Any]
    joins: tuple[AddedJoin, ...]
    added_waits: int
    inline: frozenset[str]
    most_events: int


def compile_template(
    template: Template, *, queue_prefix: str = QUEUE_PREFIX, patience_s: float = PATIENCE_S
) -> Compiled:
    """Return the state machine of a template, whatever its orchestrator.

    `queue_prefix` is the address of the stage queues up to '<queue>-<lane>'; a job that lies longer than `patience_s`
    in its queue is sent again. The execution's input is {"task_id", "project_id", "lane"} and, where stages without
    needs have a `when`, {"when": {stage: false}} for those that are skipped.

    Raises InvalidInput when the definition would break a limit of Step Functions.
    """
    shape = shape_of({stage.name: stage.needs for stage in template.planned})
    making = StageStates(Conditions.of(template), queue_prefix=queue_prefix, patience_s=patience_s)
    definition = _definition(template, shape.tree, making)
    inline = history.inline_fan_outs(template, history.most_events(template, definition))
    if inline:
        definition = _definition(template, shape.tree, replace(making, inline=inline))
    events = history.most_events(template, definition)
    if faults := tuple(_limits_broken(definition, events)):
        raise InvalidInput(
            f"'{template.name}' does not fit into a state machine; make it smaller, or use the orchestrator 'queue'",
            faults=faults,
        )
    return Compiled(definition, shape.joins, shape.added_waits, inline, events)


def _definition(template: Template, tree: Tree, making: StageStates) -> dict[str, Any]:
    start, states = Nesting(template, making).whole(tree)
    if template.undoes:
        start, states = _undone(template, making, start, states)
    return {
        "Comment": f"{template.name}: {template.description}" if template.description else template.name,
        "QueryLanguage": "JSONPath",
        "TimeoutSeconds": ceil(template.deadline_s) + GRACE_S,
        "StartAt": start,
        "States": states,
    }


def _undone(template: Template, making: StageStates, start: str, states: States) -> tuple[str, States]:
    """Return the states that run those given, and when these fail what undoes them, last stage first."""
    undoing = _in_reverse(template)
    around: States = {
        "task.work": {
            "Type": "Parallel",
            "Branches": [{"StartAt": start, "States": states}],
            "ResultPath": None,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "task.undo"}],
            "End": True,
        },
        "task.undo": making.which_to_undo(undoing[0], f"{undoing[0].name}.when", "task.failed"),
    }
    following = [*(f"{stage.name}.when" for stage in undoing[1:]), "task.failed"]
    for stage, after in zip(undoing, following, strict=True):
        wanted = said_yes(f"$.undo.stages.{stage.name}", stage.name)
        around[f"{stage.name}.when"] = {"Type": "Choice", "Choices": [wanted], "Default": after}
        around[stage.name] = making.undoing(stage, after)
    around["task.failed"] = {
        "Type": "Fail",
        "ErrorPath": "$.error.Error",
        "Cause": "The task failed; what its completed stages did was undone where the template says how.",
    }
    return "task.work", around


def _in_reverse(template: Template) -> list[Stage]:
    """Return the stages that undo, so that what was done later is undone first."""
    depth = {name: len(ancestors) for name, ancestors in template.ancestors.items()}
    undone = sorted(template.undoes.items(), key=lambda pair: depth[pair[1]], reverse=True)
    return [template.by_name[undoing] for undoing, _ in undone]


def _limits_broken(definition: dict[str, Any], events: int) -> Iterator[Fault]:
    size = len(dumps(definition))
    if size > MAX_BYTES:
        yield Fault("stages", f"the definition takes {size:,} bytes, at most {MAX_BYTES:,} are possible")
    if events > history.MAX_EVENTS:
        yield Fault(
            "stages",
            f"an execution could have {events:,} events, at most {history.MAX_EVENTS:,} are possible: "
            "lower retry.max_attempts, or use fewer stages",
        )
    names = [name for name, _ in history.all_states(definition)]
    for name in names:
        if len(name) > MAX_NAME:
            yield Fault("stages", f"the state name '{name}' is longer than {MAX_NAME} characters")
        if names.count(name) > 1:
            yield Fault("stages", f"the state name '{name}' is given twice")
