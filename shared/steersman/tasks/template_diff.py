"""What differs between two versions of a template: a pure comparison, stage by stage, by name."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from steersman.json import dumps
from steersman.tasks.template import Template


class Change(NamedTuple):
    """One difference: of the template (`stage` None) or of a stage; `field` is a dotted path, None: the whole stage."""

    kind: Literal["added", "removed", "changed"]
    stage: str | None
    field: str | None
    before: Any
    after: Any


def differences(old: Template, new: Template) -> list[Change]:
    """Return what differs, the template's own fields first, then stages in their order, removed ones last.

    The order of stages says nothing, so that a stage which only moved is not told.
    """
    return [*_own(old, new), *_of_stages(old, new)]


def _own(old: Template, new: Template) -> Iterator[Change]:
    hidden = {"name", "stages"}
    yield from _fields(
        None, old.model_dump(mode="json", exclude=hidden), new.model_dump(mode="json", exclude=hidden)
    )


def _of_stages(old: Template, new: Template) -> Iterator[Change]:
    before = {stage.name: stage.model_dump(mode="json") for stage in old.stages}
    for stage in new.stages:
        after = stage.model_dump(mode="json")
        if stage.name in before:
            yield from _fields(stage.name, before.pop(stage.name), after)
        else:
            yield Change("added", stage.name, None, None, after)
    for name, document in before.items():
        yield Change("removed", name, None, document, None)


def _fields(
    stage: str | None, old: Mapping[str, Any], new: Mapping[str, Any], within: str = ""
) -> Iterator[Change]:
    """Tell what differs between two objects, as deep as both have one: `retry.on.timeout.max_attempts`."""
    for name in [*old, *(name for name in new if name not in old)]:
        field, before, after = f"{within}{name}", old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _fields(stage, before, after, f"{field}.")
        elif name not in old:
            yield Change("added", stage, field, None, after)
        elif name not in new:
            yield Change("removed", stage, field, before, None)
        elif dumps(before) != dumps(after):  # as texts, for Python holds 1, 1.0 and true to be the same
            yield Change("changed", stage, field, before, after)
