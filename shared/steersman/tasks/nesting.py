"""Templates that start each other: a circle of them would run until it is as deep as tasks may be."""

from collections.abc import Callable, Mapping
from typing import Any

from steersman.errors import Fault
from steersman.tasks.template import Template
from steersman.tasks.words import StageKind

MAX_READ = 200  # templates that are looked through


def circles(template: Template, newest: Callable[[str], Mapping[str, Any] | None]) -> list[Fault]:
    """Return a fault for each stage by which a template would start itself again, through others.

    `newest` returns the text of the newest version of a template by its name, or None.
    """
    read: dict[str, frozenset[str]] = {}
    faults = []
    for position, stage in enumerate(template.stages):
        if stage.kind is StageKind.TASK and stage.task:
            way = _way(stage.task.template, template.name, newest, read)
            if way:
                circle = " -> ".join([template.name, *way])
                reason = f"starts '{template.name}' again ({circle}): it could run for ever"
                faults.append(Fault(f"stages.{position}.task.template", reason))
    return faults


def _way(
    start: str, goal: str, newest: Callable[[str], Mapping[str, Any] | None], read: dict[str, frozenset[str]]
) -> list[str]:
    """Return the names on a way from template `start` to `goal` through nested tasks, or nothing."""
    ways = [[start]]
    seen = {start}
    while ways and len(read) < MAX_READ:
        way = ways.pop(0)
        if way[-1] == goal:
            return way
        if way[-1] not in read:
            read[way[-1]] = _started(newest(way[-1]))
        ways += [[*way, name] for name in sorted(read[way[-1]] - seen)]
        seen |= read[way[-1]]
    return []


def _started(document: Mapping[str, Any] | None) -> frozenset[str]:
    stages = (document or {}).get("stages", ())
    return frozenset(stage["task"]["template"] for stage in stages if stage.get("task"))
