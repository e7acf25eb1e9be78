"""Rules that hold what the product says of a task against what its agents, a trigger and its followers saw."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from bench.chaos.history import ENDS, Change, Event, Execution, Line, TaskHistory
from steersman.tasks.words import STAGE_TRANSITIONS, TASK_TRANSITIONS, StageStatus, TaskStatus

Wrong = tuple[str, str]
_OUTCOMES = {"stage.completed", "stage.retrying", "stage.failed", "stage.skipped"}
# What ends an attempt whose agent said something else, or was not asked.
_OUTSIDE = {"deadline_passed", "budget_spent", "lease_lost", "stage_timeout", "no_agent", "expression_failed"}
_CLOCK_S = 0.001  # the trigger reads the clock a moment after the statement did


def executions_agree(task: TaskHistory) -> Iterator[Wrong]:
    """Every execution had a claim of its own, and every outcome is what the agent of that attempt answered."""
    started = {(line.stage, line.attempt) for line in task.log if line.event == "stage.started"}
    seen: dict[tuple[str, int], Execution] = {}
    for execution in task.executions:
        key = (execution.stage, execution.attempt)
        if key in seen:
            where = f"in {seen[key].process} and {execution.process}"
            yield "an attempt runs once", f"{execution.stage} attempt {execution.attempt} ran twice, {where}"
        seen[key] = execution
        if key not in started:
            yield (
                "nothing runs without a claim",
                f"{execution.stage} attempt {execution.attempt} ran unclaimed",
            )
    for line, first in _outcomes(task.log):
        if task.plan.stage(line.stage or "").calls_agent:
            yield from _outcome_agrees(task, line, seen.get((line.stage or "", line.attempt or 0)), first)


def _outcomes(log: Sequence[Line]) -> Iterator[tuple[Line, int]]:
    """Yield each outcome with the first attempt of its run: retries are counted anew when a task runs again."""
    first: dict[str | None, int] = {}
    for line in log:
        if line.event == "task.rerun":
            first.clear()
        elif line.event == "stage.started":
            first.setdefault(line.stage, line.attempt or 1)
        elif line.event in _OUTCOMES:
            yield line, first.get(line.stage, 1)


def _outcome_agrees(task: TaskHistory, line: Line, ran: Execution | None, first: int) -> Iterator[Wrong]:
    rule = "an outcome is what the agent answered"
    error = line.detail.get("error") or {}
    if error.get("code") in _OUTSIDE:
        return
    if ran is None or ran.answer is None:
        if line.event != "stage.skipped" or error:
            yield rule, f"{line}, but no agent answered for it"
        return
    retries = (line.attempt or 0) - first + 1 < task.plan.stage(line.stage or "").retry.max_attempts
    expected = {
        "ok": {"stage.completed"},
        "refused": {"stage.failed", "stage.skipped"},
    }.get(ran.answer, {"stage.retrying"} if retries else {"stage.failed", "stage.skipped"})
    if line.event not in expected:
        yield rule, f"{line}, but the agent answered '{ran.answer}'"
    stage = task.stages[line.stage or ""]
    last = all(one.attempt == line.attempt for one in _completions(task, line.stage) if one.id >= line.id)
    if (
        line.event == "stage.completed"
        and last
        and stage.status == "completed"
        and stage.output != ran.output
    ):
        yield rule, f"{line} stored {stage.output}, but the agent answered {ran.output}"


def _completions(task: TaskHistory, stage: str | None) -> list[Line]:
    return [line for line in task.log if (line.event, line.stage) == ("stage.completed", stage)]


def charged_once(task: TaskHistory) -> Iterator[Wrong]:
    """A stage costs what the attempt that counted cost: late and lost attempts cost nothing here."""
    counted = {(line.stage, line.attempt) for line in task.log if line.event == "stage.completed"}
    for stage in task.stages.values():
        if stage.children is not None or stage.name in task.spread:
            continue  # it costs what the tasks that it started cost
        own = [
            one
            for one in task.executions
            if one.stage == stage.name and (stage.name, one.attempt) in counted and one.answer == "ok"
        ]
        cost = sum((one.cost_usd for one in own), Decimal(0))
        tokens = sum(one.tokens for one in own)
        if stage.cost_usd != cost or stage.tokens != tokens:
            own_cost = f"its agent {cost} and {tokens}"
            evidence = f"{stage.name} cost {stage.cost_usd} USD and {stage.tokens} tokens, {own_cost}"
            yield "costs count once", evidence


def changes_are_allowed(task: TaskHistory) -> Iterator[Wrong]:
    """Every change of a status is in the table of transitions; nothing begins after the task's end.

    A task that runs again leaves its end, with some of its stages, as often as its log says so.
    """
    end: Change | None = None
    again = {
        change.transaction
        for change in task.changes
        if change.stage is None and change.before in ENDS and change.after == "pending"
    }
    asked = sum(1 for line in task.log if line.event == "task.rerun")
    if len(again) != asked:
        yield "allowed transitions", f"the task ran again {len(again)} times, its log says {asked}"
    for change in task.changes:
        if change.transaction in again:
            end = None
        elif change.stage is None:
            if change.before and not _task_may(change.before, change.after):
                yield "allowed transitions", f"the task went from {change.before} to {change.after}"
            if change.after in ENDS:
                end = change
        else:
            if change.before and not _stage_may(change.before, change.after):
                yield "allowed transitions", f"{change.stage} went from {change.before} to {change.after}"
            begins = change.after in {"ready", "running", "completed", "skipped"}
            if end and begins and change.transaction != end.transaction:
                evidence = f"{change.stage} became {change.after} after the task was {end.after}"
                yield "nothing begins after the end", evidence


def _task_may(before: str, after: str) -> bool:
    return before == after or TaskStatus(after) in TASK_TRANSITIONS[TaskStatus(before)]


def _stage_may(before: str, after: str) -> bool:
    return before == after or StageStatus(after) in STAGE_TRANSITIONS[StageStatus(before)]


def leases_are_single(task: TaskHistory) -> Iterator[Wrong]:
    """A lease passes to another holder only after it ran out."""
    for change in task.changes:
        if change.stage and change.takes_over and (change.lease_left_s or 0.0) > _CLOCK_S:
            evidence = f"{change.stage}: a lease was taken over {change.lease_left_s:.3f} s before it ran out"
            yield "no lease is held twice", evidence


def stream_agrees(task: TaskHistory) -> Iterator[Wrong]:
    """A follower gets every line of the log once, each stage's in their order, the end last."""
    lines = {line.id: line for line in task.log}
    times = Counter(event.line for event in task.events)
    missing, more = lines.keys() - times.keys(), times.keys() - lines.keys()
    if missing:
        yield "the stream agrees", f"it lacks {', '.join(str(lines[one]) for one in sorted(missing))}"
    if more:
        yield "the stream agrees", f"it has events of lines {sorted(more)} that are not in the log"
    if twice := [line for line, count in times.items() if count > 1]:
        yield "the stream agrees", f"it has events twice: lines {sorted(twice)}"
    if task.row.status in ENDS and not task.events_ended:
        yield "the stream ends", "the task has ended, but its followers are not told"
    yield from _order_agrees(task.events)


def _order_agrees(events: Sequence[Event]) -> Iterator[Wrong]:
    last: dict[str | None, int] = {}
    for event in events:
        if event.line < last.get(event.stage, 0):
            yield (
                "the stream is in order",
                f"{event.event} {event.stage or ''} (line {event.line}) comes too late",
            )
        last[event.stage] = max(event.line, last.get(event.stage, 0))


def views_agree(task: TaskHistory) -> Iterator[Wrong]:
    """GET /v1/tasks/{id} shows the rows."""
    if task.shown.get("status") != task.row.status:
        yield "the view agrees", f"it shows {task.shown.get('status')}, the task is {task.row.status}"
    if task.shown.get("output") != task.row.output:
        yield "the view agrees", "it shows another output"
    for shown in task.shown.get("stages", ()):
        stage = task.stages.get(shown["name"])
        if stage is None or (shown["status"], shown["attempt"]) != (stage.status, stage.attempt):
            yield "the view agrees", f"it shows {shown['name']} {shown['status']} {shown['attempt']}"


RULES = (
    executions_agree,
    charged_once,
    changes_are_allowed,
    leases_are_single,
    stream_agrees,
    views_agree,
)
