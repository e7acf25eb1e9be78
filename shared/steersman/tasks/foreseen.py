"""What can be foreseen of a task from its input alone: times that have passed, and lists that are none."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from steersman.errors import AgentError, Fault
from steersman.tasks import expressions, ways
from steersman.tasks.template import Stage, Template
from steersman.tasks.words import OnError


def faults(template: Template, task_input: Mapping[str, Any], now: datetime, at: str) -> list[Fault]:
    """Return why stages that surely run would fail on this input, each as a fault of the field `at`.

    Stages that may be skipped, or whose failure the template allows for, are left to themselves.
    """
    values = {"input": task_input, "results": {}}
    found = []
    for stage in template.planned:
        if stage.when is not None or stage.on_error is not OnError.FAIL:
            continue
        try:
            _try(stage, now, values)
        except AgentError as exc:
            found.append(Fault(at, f"stage '{stage.name}': {exc.message}"))
    return found


def _try(stage: Stage, now: datetime, values: Mapping[str, Any]) -> None:
    until = stage.wait.until if stage.wait else None
    if stage.wait and until and expressions.reads_only_input(until):
        ways.waits_until(stage.wait, now, values)
    if stage.for_each and expressions.reads_only_input(stage.for_each.items):
        ways.items(stage.for_each, values)
