"""Which stages' answers say whether a stage with `when` goes ahead.

Whoever ends the last need of a stage evaluates its `when`, and answers {"when": {stage: false}} when it is not wanted
(it is skipped in PostgreSQL then). A stage that is skipped frees what needs it in the same moment, so that one answer
may speak of stages further down; a task that begins speaks of those that need nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from steersman.tasks.template import Template

BEGINNING = ""  # in place of a stage's name: the input of the execution


@dataclass(frozen=True)
class Conditions:
    """For each stage with `when`: the stages (or BEGINNING) whose answers may say that it is skipped."""

    told_by: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, template: Template) -> "Conditions":
        told_by: dict[str, frozenset[str]] = {}

        def tellers(name: str) -> frozenset[str]:
            if name not in told_by:
                stage = template.by_name[name]
                told = {BEGINNING} if not stage.needs else set(stage.needs)
                for need in stage.needs:
                    if template.by_name[need].when:
                        told |= tellers(need)
                told_by[name] = frozenset(told)
            return told_by[name]

        return cls({stage.name: tellers(stage.name) for stage in template.planned if stage.when})

    @cached_property
    def kept(self) -> frozenset[str]:
        """Return the stages whose answers are kept."""
        return frozenset().union(*self.told_by.values()) - {BEGINNING}

    def read_by(self, stages: list[str]) -> frozenset[str]:
        """Return whose answers these stages read."""
        return frozenset().union(*(self.told_by.get(name, frozenset()) for name in stages)) - {BEGINNING}

    def choice(self, name: str, *, skip: str, run: str) -> dict[str, Any]:
        """Return the Choice before a stage with `when`: nobody said no means go."""
        said = [
            f"$.when.{name}" if teller == BEGINNING else f"{slot(teller)}.when.{name}"
            for teller in sorted(self.told_by[name])
        ]
        return {
            "Type": "Choice",
            "Choices": [{**_is(path, False), "Next": skip} for path in said],
            "Default": run,
        }


def slot(name: str) -> str:
    """Return where the answer of a stage is kept in the state."""
    return f"$.freed.{name}"


def said_yes(path: str, following: str) -> dict[str, Any]:
    """Return a choice rule that goes on to `following` where `path` is there and true."""
    return {**_is(path, True), "Next": following}


def _is(path: str, value: bool) -> dict[str, Any]:
    there = {"Variable": path, "IsPresent": True}
    return {"And": [there, {"Variable": path, "BooleanEquals": value}]}
