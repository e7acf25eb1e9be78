"""Rules that hold one task's rows and its log against each other."""

from collections.abc import Iterator

from bench.chaos.history import ENDS, STAGE_ENDS, TaskHistory
from bench.chaos.replay import Replay, replay

Wrong = tuple[str, str]


def ended(task: TaskHistory) -> Iterator[Wrong]:
    """Every accepted task ends, and leaves nothing open behind."""
    if task.row.status not in ENDS:
        yield "every accepted task ends", f"it is {task.row.status}"
    elif not task.row.finished:
        yield "every accepted task ends", "it has no time of its end"
    for stage in task.stages.values():
        if stage.status not in STAGE_ENDS:
            yield "no stage stays open", f"{stage.name} is {stage.status}"


def log_agrees(task: TaskHistory) -> Iterator[Wrong]:
    """The log is a possible way through the DAG, and the rows are where it leads."""
    state, wrong = replay(task.plan, task.log)
    yield from wrong
    if state.status is None:
        yield "submitted first", "the log has no task.submitted"
        return
    told = state.status if state.status in ENDS else "open"
    if task.row.status != told and (task.row.status in ENDS or told in ENDS):
        yield "state agrees with the log", f"the task is {task.row.status}, its log says {told}"
    yield from _stages_agree(task, state)
    yield from _counters_agree(task, state)


def _stages_agree(task: TaskHistory, state: Replay) -> Iterator[Wrong]:
    for name, told in state.stages.items():
        stage = task.stages.get(name)
        if stage is None:
            yield "state agrees with the log", f"stage {name} has no row"
            continue
        waited = told.status in {"awaiting", "spread"} and stage.status == "ready"  # nothing tells of it
        if stage.status != told.shown and not waited:
            yield "state agrees with the log", f"{name} is {stage.status}, its log says {told.shown}"
        unbegun = told.status == "pending" or told.anew  # nothing tells its attempt
        if stage.attempt != told.attempt and not unbegun:
            yield "state agrees with the log", f"{name} has attempt {stage.attempt}, its log {told.attempt}"
        if told.status == "pending" and told.pending == 0:
            yield "released when the last need ends", f"{name} has no open need and is still pending"


def _counters_agree(task: TaskHistory, state: Replay) -> Iterator[Wrong]:
    """Counters are exact where a task completed; where it was stopped, what ended with the end is not counted."""
    exact = task.row.status == "completed"
    if task.row.open_sinks < state.open_sinks or (exact and task.row.open_sinks != 0):
        yield "open_sinks counts", f"it is {task.row.open_sinks}, by the log {state.open_sinks}"
    for name, told in state.stages.items():
        stage = task.stages.get(name)
        if stage and (stage.pending_needs < told.pending or (exact and stage.pending_needs != 0)):
            yield "pending_needs counts", f"{name} has {stage.pending_needs}, by the log {told.pending}"


def costs_add_up(task: TaskHistory) -> Iterator[Wrong]:
    """A task costs what its stages cost."""
    costs = sum(stage.cost_usd for stage in task.stages.values())
    tokens = sum(stage.tokens for stage in task.stages.values())
    if task.row.cost_usd != costs:
        yield "costs add up", f"the task cost {task.row.cost_usd} USD, its stages {costs}"
    if task.row.tokens != tokens:
        yield "costs add up", f"the task took {task.row.tokens} tokens, its stages {tokens}"


def output_is_the_stage_s(task: TaskHistory) -> Iterator[Wrong]:
    """A completed task's output is that of its output stage."""
    stage = task.stages.get(task.plan.template.output_stage)
    if task.row.status == "completed" and stage is not None and task.row.output != stage.output:
        yield "the output is the output stage's", f"{task.row.output} is not {stage.output}"


def conditions_hold(task: TaskHistory) -> Iterator[Wrong]:
    """A stage was skipped without an error exactly when its `when` says so."""
    results = {name: stage.output for name, stage in task.stages.items() if stage.status == "completed"}
    for stage in task.stages.values():
        if stage.status not in {"completed", "skipped"} or stage.error:
            continue
        if stage.name in task.plan.template.undoes:
            continue
        wanted = task.plan.wanted(stage.name, task.row.input, task.plan.visible(stage.name, results))
        if wanted != (stage.status == "completed"):
            yield "conditions hold", f"{stage.name} is {stage.status}, but `when` says {wanted}"


def dead_letters_are_there(task: TaskHistory) -> Iterator[Wrong]:
    """A stage that failed for good left a dead letter.

    Where its task runs again before the message is written, which comes with one that is redelivered, only the row is.
    """
    written = {name for name, _ in task.letters}
    again = max((line.id for line in task.reruns), default=0)
    for line in task.log:
        kept = line.id < again and (line.stage, line.attempt) in task.kept_letters
        if line.event == "stage.failed" and line.stage not in written and not kept:
            yield "what fails for good leaves a dead letter", f"{line} ({_code(line.detail)}) left none"


def _code(detail: object) -> object:
    error = detail.get("error") if isinstance(detail, dict) else None
    return error.get("code") if isinstance(error, dict) else "no error"


RULES = (
    ended,
    log_agrees,
    costs_add_up,
    output_is_the_stage_s,
    conditions_hold,
    dead_letters_are_there,
)
