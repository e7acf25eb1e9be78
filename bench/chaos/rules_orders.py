"""Rules that hold what an operator asked for against what happened: answers count once, what is paused stands."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from bench.chaos.history import Finding, Line, Order, RunHistory, TaskHistory
from steersman.ids import DEFAULT_PROJECT
from steersman.tasks.pauses import FRESH_S

Interval = tuple[float, float]
MARGIN_S = 2.0  # a claim that was on its way when a pause was stored
FOR_EVER = float("inf")


def answers_count_once(run: RunHistory) -> Iterator[Finding]:
    """A confirmed answer is in the log and in the stage's output, and a stage has one answer at most."""
    asked = {order.key: order for order in run.orders if order.what == "answer"}
    logs = {task.row.id: task for task in run.tasks}
    for order in asked.values():
        if order.status == 200 and order.task_id is not None:
            yield from _confirmed(order, logs[order.task_id])
    for task in run.tasks:
        per_stage: dict[str, list[Line]] = defaultdict(list)
        for line in task.log:
            if line.event == "stage.answered":
                per_stage[line.stage or ""].append(line)
        for stage, lines in per_stage.items():
            if len(lines) > 1 + len(task.reruns):
                yield Finding(
                    task.subject, "an answer counts once", f"{stage} was answered {len(lines)} times"
                )
            if odd := [line for line in lines if line.detail.get("comment") not in asked]:
                yield Finding(task.subject, "nobody else answers", f"{odd[0]} has an answer that nobody gave")


def _confirmed(order: Order, task: TaskHistory) -> Iterator[Finding]:
    given = (order.approved, order.key)
    lines = [line for line in task.log if line.event == "stage.answered" and line.stage == order.stage]
    if not any((line.detail.get("approved"), line.detail.get("comment")) == given for line in lines):
        evidence = f"the answer {order.key} to {order.stage} was confirmed, but is not in the log"
        yield Finding(task.subject, "a confirmed answer counts", evidence)
    stage = task.stages[order.stage or ""]
    output = stage.output or {}
    if task.reruns:
        return  # it may have been asked again
    if stage.status == "completed" and (output.get("approved"), output.get("comment")) != given:
        evidence = f"the answer {order.key} to {order.stage} was confirmed, but its output is {output}"
        yield Finding(task.subject, "a confirmed answer counts", evidence)


def paused_tasks_stand(run: RunHistory) -> Iterator[Finding]:
    """No stage of a task begins while it, or a task above it, is paused; what runs may end."""
    intervals = {task.row.id: _paused(task.log) for task in run.tasks}
    above = {task.row.id: task.row.parent_task_id for task in run.tasks}
    for task in run.tasks:
        of: UUID | None = task.row.id
        while of is not None:
            paused = [_until_resumed(task, one) for one in intervals.get(of, ())]
            for line in _begun_in(_begun(task), paused, MARGIN_S):
                where = "it" if of == task.row.id else f"task {of} above it"
                yield Finding(task.subject, "a paused task stands", f"{line} while {where} was paused")
            of = above.get(of)


def _until_resumed(task: TaskHistory, interval: Interval) -> Interval:
    """Return the part of a pause, of a task or one above it, until the task itself was let go on."""
    since, until = interval
    own = [line.at for line in task.log if line.event == "task.resumed" and since <= line.at < until]
    return since, min([until, *own])


def _paused(log: Sequence[Line]) -> list[Interval]:
    found: list[Interval] = []
    since: float | None = None
    for line in log:
        if line.event == "task.paused":
            since = line.at
        elif line.event in {"task.resumed", "task.rerun"} and since is not None:
            found.append((since, line.at))
            since = None
    return [*found, (since, FOR_EVER)] if since is not None else found


def paused_others_stand(run: RunHistory) -> Iterator[Finding]:
    """No stage of a paused template, or on a paused queue, begins once every worker has heard of the pause.

    Pauses are those of the default project: another one's tasks go on.
    """
    intervals = _pauses(run.orders)
    for task in run.tasks if intervals else ():
        if task.row.project != DEFAULT_PROJECT:
            continue
        begun = _begun(task)
        for (scope, name), times in intervals.items():
            if scope == "template":
                lines = begun if task.row.template == name else []
            else:
                lines = [line for line in begun if _queue(task, line) == name]
            for line in _begun_in(lines, times, FRESH_S + MARGIN_S):
                yield Finding(
                    task.subject, "what is paused stands", f"{line} while {scope} {name} was paused"
                )


def _queue(task: TaskHistory, line: Line) -> str:
    return str(task.plan.stage(line.stage or "").queue)


def _pauses(orders: Sequence[Order]) -> dict[tuple[str, str], list[Interval]]:
    """Return when templates and queues were paused for certain: from the answer until somebody asks to resume."""
    found: dict[tuple[str, str], list[Interval]] = defaultdict(list)
    ends = [order for order in orders if order.what == "resume" and order.scope]
    for order in orders:
        if order.what == "pause" and order.scope and order.status == 200 and order.answered_at is not None:
            key = (order.scope, order.name or "")
            later = [end.asked_at for end in ends if (end.scope, end.name) == key]
            until = min((at for at in later if at >= order.asked_at), default=FOR_EVER)
            found[key].append((order.answered_at, until))
    return found


def _begun(task: TaskHistory) -> list[Line]:
    """Return the starts after which something was done: not those of workers that died before they gave it back."""
    ran = {(one.stage, one.attempt) for one in task.executions}
    found: list[Line] = []
    after: dict[str | None, str] = {}
    for line in reversed(task.log):
        done = after.get(line.stage, "stage.cancelled") not in {"stage.started", "stage.cancelled"}
        if line.event == "stage.started" and (done or (line.stage, line.attempt) in ran):
            found.append(line)
        if line.event != "stage.late":
            after[line.stage] = line.event
    return found


def _begun_in(begun: Sequence[Line], intervals: Sequence[Interval], margin_s: float) -> Iterator[Line]:
    for line in begun:
        if any(since + margin_s < line.at < until for since, until in intervals):
            yield line


RULES = (answers_count_once, paused_tasks_stand, paused_others_stand)
