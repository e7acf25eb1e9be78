"""How long the history of an execution can become: Step Functions ends an execution at 25,000 events.

Source: AWS Step Functions Developer Guide, quotas and the history events of each type of state. Jobs that
are sent again because nobody answered are not counted: each needs a quarter of an hour of silence.
"""

from collections.abc import Iterator
from typing import Any

from steersman.tasks.template import Stage, Template

MAX_EVENTS = 25_000
MAX_INLINE_CONCURRENCY = 40  # of a Map within the execution
_AROUND = 2  # the execution's start and end
_SIMPLE = 2  # entered and exited
_TASK = 6  # entered, scheduled, started, submitted, succeeded, exited
_ATTEMPT = 4  # failed, scheduled, started, submitted
_GROUP = 4  # a Parallel or Map: entered, started, succeeded, exited
_ITEM = 2  # an item of a Map: started, succeeded


def all_states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every state of a definition with its name, however deep."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]:
            yield from all_states(inner)


def inline_fan_outs(template: Template, events: int) -> frozenset[str]:
    """Return the fan-outs whose items run within the execution, those of the fewest events first.

    `events` is how many there can be without any. All other fan-outs are distributed: each item has an execution of its
    own, which costs more transitions.
    """
    left, chosen = MAX_EVENTS - events, set()
    for stage in sorted(template.stages, key=items_events):
        few = stage.for_each is not None and stage.for_each.concurrency <= MAX_INLINE_CONCURRENCY
        if few and items_events(stage) <= left:
            chosen.add(stage.name)
            left -= items_events(stage)
    return frozenset(chosen)


def items_events(stage: Stage) -> int:
    """Return how many events the items of a fan-out can have within an execution, every attempt used up."""
    if stage.for_each is None:
        return 0
    return stage.for_each.max_items * (_ITEM + _SIMPLE + _TASK + _ATTEMPT * (stage.retry.most_attempts - 1))


def most_events(template: Template, definition: dict[str, Any]) -> int:
    """Return how many events one execution of a definition can have, every state of it entered once."""
    return _AROUND + _events(template, definition)


def _events(template: Template, machine: dict[str, Any]) -> int:
    return sum(_state_events(template, name, state) for name, state in machine["States"].items())


def _state_events(template: Template, name: str, state: dict[str, Any]) -> int:
    match state["Type"]:
        case "Task":
            # The worker counts all attempts together, whatever they failed of.
            counted = [one for one in state["Retry"] if one["ErrorEquals"] != ["States.ALL"]]
            retries = max(int(one["MaxAttempts"]) for one in counted)
            return _TASK + _ATTEMPT * retries
        case "Parallel":
            return _GROUP + sum(_events(template, branch) for branch in state["Branches"])
        case "Map":
            stage = template.by_name[name.partition(".")[0]]
            inline = state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "INLINE"
            return _GROUP + (items_events(stage) if inline else 0)
        case _:
            return _SIMPLE
