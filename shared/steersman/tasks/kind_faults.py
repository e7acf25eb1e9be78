"""What can be wrong with stages of the other kinds, and with those that undo."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from steersman.errors import Fault
from steersman.tasks.stage_kinds import NO_AGENT
from steersman.tasks.words import StageKind

if TYPE_CHECKING:
    from steersman.tasks.template import Stage, Template

_FORMS = {StageKind.TASK: "task", StageKind.APPROVAL: "approval", StageKind.WAIT: "wait"}


def kind_faults(template: "Template") -> list[Fault]:
    """Return what is wrong, each with its place."""
    faults = []
    for position, stage in enumerate(template.stages):
        at = f"stages.{position}"
        faults += [*_form_faults(stage, at), *_time_faults(template, stage, at)]
        if stage.kind is StageKind.TASK and stage.task and stage.task.template == template.name:
            reason = f"starts '{template.name}' itself again: it could run for ever"
            faults.append(Fault(f"{at}.task.template", reason))
        faults += _undo_faults(template, stage, at)
    return faults


def _form_faults(stage: "Stage", at: str) -> Iterator[Fault]:
    for kind, form in _FORMS.items():
        given = getattr(stage, form) is not None
        if stage.kind is kind and not given:
            yield Fault(f"{at}.{form}", f"a stage of kind '{kind}' says here what it does")
        if given and stage.kind is not kind:
            yield Fault(f"{at}.{form}", f"never used: the stage's kind is '{stage.kind}', not '{kind}'")
    if stage.for_each and stage.kind in {StageKind.APPROVAL, StageKind.WAIT}:
        yield Fault(f"{at}.for_each", "is for stages of kind 'agent' and 'task'")
    for name in ("input_schema", "output_schema"):
        if stage.for_each and stage.kind is StageKind.TASK and getattr(stage, name) is not None:
            yield Fault(f"{at}.{name}", "never used: the template of the items says what they take and give")
    if stage.kind in NO_AGENT and stage.capability != stage.kind:
        yield Fault(f"{at}.capability", f"never used: no agent does a stage of kind '{stage.kind}'")


def _time_faults(template: "Template", stage: "Stage", at: str) -> Iterator[Fault]:
    limit = f"longer than the task's deadline_s ({template.deadline_s:g})"
    if stage.wait and stage.wait.for_s is not None and stage.wait.for_s >= template.deadline_s:
        yield Fault(f"{at}.wait.for_s", limit)
    if stage.approval and (stage.approval.longest_s or 0) >= template.deadline_s:
        yield Fault(f"{at}.approval.timeout_s", limit)


def _undo_faults(template: "Template", stage: "Stage", at: str) -> Iterator[Fault]:
    if stage.undo is None:
        return
    if stage.undo not in template.by_name:
        yield Fault(f"{at}.undo", f"there is no stage '{stage.undo}'")
        return
    undoing = template.by_name[stage.undo]
    if template.undoes[stage.undo] != stage.name:
        yield Fault(f"{at}.undo", f"'{stage.undo}' undoes '{template.undoes[stage.undo]}' already")
    if undoing.needs or template.dependants[stage.undo]:
        yield Fault(f"{at}.undo", f"'{stage.undo}' runs when the task fails: no needs, and needed by none")
    if undoing.undo or not undoing.calls_agent:
        yield Fault(f"{at}.undo", f"'{stage.undo}' must be a plain agent stage that nothing undoes")
    if template.output == stage.undo:
        yield Fault("output", f"'{stage.undo}' runs only when the task fails")
    if stage.name in template.undoes:
        yield Fault(f"{at}.undo", f"'{stage.name}' itself undoes another stage")
