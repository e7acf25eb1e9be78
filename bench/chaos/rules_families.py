"""Rules on tasks that tasks start: each item there once, counted once, joined whole, and never left behind."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from bench.chaos.history import ENDS, Finding, Line, RunHistory, StageRow, TaskHistory

Children = Mapping[tuple[UUID, str, int], Sequence[TaskHistory]]
# What ends with a stage ends in its transaction, which may wait for a result that is just being stored.
_MEANWHILE_S, _STOPPED_S = 2.0, 30.0
_WORK = {
    "stage.started",
    "stage.completed",
    "stage.failed",
    "stage.skipped",
    "stage.retrying",
    "stage.spread",
}


def children_of(run: RunHistory) -> Children:
    """Return the tasks that stages (task, name, attempt) started, by item."""
    found: dict[tuple[UUID, str, int], list[TaskHistory]] = defaultdict(list)
    for task in run.tasks:
        row = task.row
        if row.parent_task_id is not None:
            found[row.parent_task_id, row.parent_stage or "", row.parent_attempt or 0].append(task)
    return {key: sorted(tasks, key=lambda task: task.row.item or 0) for key, tasks in found.items()}


def items_are_there_once(run: RunHistory) -> Iterator[Finding]:
    """A stage that started tasks started one for each item, and none was started by a stage that did not."""
    known, spread = children_of(run), set()
    for task, line in _spreads(run):
        key = (task.row.id, line.stage or "", line.attempt or 0)
        spread.add(key)
        items = [child.row.item for child in known.get(key, ())]
        if items != list(range(line.detail["tasks"])):
            evidence = f"{line} started {line.detail['tasks']} tasks, there are the items {items}"
            yield Finding(task.subject, "each item is there once", evidence)
    for key in known.keys() - spread:
        yield Finding(str(key[0]), "each item is there once", f"{key[1]} has tasks that it did not start")


def joins_see_all(run: RunHistory) -> Iterator[Finding]:
    """A stage that started tasks goes on when all have ended, or too many failed, with the outputs of all."""
    known = children_of(run)
    for task, line in _spreads(run):
        stage = task.stages[line.stage or ""]
        attempt, found = _started_last(known, task, stage)
        if stage.status != "completed" or attempt != line.attempt or stage.output is None:
            continue
        last = max(one.at for one in task.log if one.stage == line.stage and one.event == "stage.started")
        if late := [child.row.item for child in found if not _end(child) or _end(child).at > last]:  # type: ignore[union-attr]
            yield Finding(
                task.subject, "a join waits for all", f"{stage.name} went on before the items {late}"
            )
        for reason in _wrong_join(task, stage, found):
            yield Finding(task.subject, "a join sees every item", f"{stage.name} {reason}")


def _started_last(
    known: Children, task: TaskHistory, stage: StageRow
) -> tuple[int | None, Sequence[TaskHistory]]:
    """Return the attempt that started tasks last, and these: when a join's worker dies, a later attempt joins them."""
    for attempt in range(stage.attempt, 0, -1):
        if found := known.get((task.row.id, stage.name, attempt)):
            return attempt, found
    return None, ()


def _wrong_join(task: TaskHistory, stage: StageRow, found: Sequence[TaskHistory]) -> Iterator[str]:
    outputs = [child.row.output if child.row.status == "completed" else None for child in found]
    each, output = task.plan.stage(stage.name).for_each, stage.output or {}
    if each is None:
        if [output] != outputs:
            yield f"gave {output}, its task {outputs}"
        return
    completed = [index for index, one in enumerate(found) if one.row.status == "completed"]
    if output["items"] != outputs:
        yield "has other outputs than its items"
    if (output["completed"], output["failed"]) != (len(completed), len(found) - len(completed)):
        yield f"counts {output['completed']} and {output['failed']}, {len(completed)} of {len(found)} completed"
    if len(found) - len(completed) > each.tolerated(len(found)):
        yield f"completed, but only {len(completed)} of {len(found)} items did"
    # By time, for connections take the ids of lines by the dozen.
    again = max((line.at for line in task.reruns), default=float("-inf"))
    begun = [line for line in task.log if line.event == "stage.started"]
    latest = {(line.stage, line.attempt) for line in begun if line.at > again}
    for ran in task.executions:
        if (ran.stage, ran.attempt) not in latest:
            continue  # of a run before, whose items were others
        if ran.seen_items is not None and list(ran.seen_items) != completed:
            yield f"gave {ran.stage} the items {ran.seen_items}, but {completed} completed"


def failed_for_its_items(run: RunHistory) -> Iterator[Finding]:
    """A stage fails for the tasks that it started only when more of them failed than it tolerates."""
    known = children_of(run)
    for task in run.tasks:
        for stage in task.stages.values():
            _, found = _started_last(known, task, stage)
            each = task.plan.stage(stage.name).for_each
            if (stage.error or {}).get("code") != "children_failed" or stage.status != "failed":
                continue
            failed = sum(1 for child in found if child.row.status != "completed")
            if failed <= (each.tolerated(len(found)) if each else 0):
                evidence = f"{stage.name} failed, though {failed} of {len(found)} tasks did"
                yield Finding(task.subject, "a stage fails for its items", evidence)


def at_work_within_the_limit(run: RunHistory) -> Iterator[Finding]:
    """No more items of a fan-out are at work at any time than its concurrency.

    An item that was cancelled before its turn gives its turn away at once: for it one more may be.
    """
    for (task_id, name, _), found in children_of(run).items():
        parent = next((task for task in run.tasks if task.row.id == task_id), None)
        each = parent.plan.stage(name).for_each if parent else None
        if each is None:
            continue
        moments: list[tuple[float, int]] = []
        for child in found:
            began = min((line.at for line in child.log if line.event == "stage.started"), default=None)
            end = _end(child)
            if began is not None and end is not None:
                moments += [(began, 1), (end.at, -1)]
        given_away = sum(1 for child in found if not any(line.event == "stage.started" for line in child.log))
        most = _most(sorted(moments))
        if most > each.concurrency + given_away:
            evidence = f"{most} items of {name} were at work at once, at most {each.concurrency} may be"
            yield Finding(str(task_id), "no more at work than the limit", evidence)


def _most(moments: Iterable[tuple[float, int]]) -> int:
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


def none_is_left_behind(run: RunHistory) -> Iterator[Finding]:
    """When a stage has ended, the tasks that it started have ended too, or are stopped."""
    tasks = {task.row.id: task for task in run.tasks}
    for (task_id, name, attempt), found in children_of(run).items():
        parent = tasks.get(task_id)
        log = parent.log if parent else []
        spread = ("stage.spread", name, attempt)
        began = max((line.id for line in log if (line.event, line.stage, line.attempt) == spread), default=0)
        # Ends before it are of earlier runs.
        lines = [line.at for line in log if line.stage == name and line.id > began and _ends(line)]
        for child in found if lines else ():
            over = lines[0]
            alone = [line for line in child.log if line.at > over + _MEANWHILE_S and line.event in _WORK]
            end = _end(child)
            if alone:
                evidence = f"{alone[0]} of {child.subject} {alone[0].at - over:.3f} s after {name} ended"
                yield Finding(str(task_id), "no task is left behind", evidence)
            elif end and end.at > over + _STOPPED_S:
                evidence = f"{child.subject} was {child.row.status} {end.at - over:.1f} s after {name} ended"
                yield Finding(str(task_id), "no task is left behind", evidence)


def _ends(line: Line) -> bool:
    return line.event in {"stage.completed", "stage.failed", "stage.cancelled", "stage.skipped"}


def families_cost_once(run: RunHistory) -> Iterator[Finding]:
    """A stage that started tasks costs what they cost."""
    known = children_of(run)
    for task in run.tasks:
        for stage in task.stages.values():
            if stage.children is None and stage.name not in task.spread:
                continue
            found = [
                child.row
                for (task_id, name, _), children in known.items()
                if (task_id, name) == (task.row.id, stage.name)
                for child in children
            ]
            cost, tokens = sum((row.cost_usd for row in found), Decimal(0)), sum(row.tokens for row in found)
            if (stage.cost_usd, stage.tokens) != (cost, tokens):
                evidence = (
                    f"{stage.name} cost {stage.cost_usd} and {stage.tokens}, its tasks {cost} and {tokens}"
                )
                yield Finding(task.subject, "costs of started tasks count once", evidence)


def _spreads(run: RunHistory) -> Iterator[tuple[TaskHistory, Line]]:
    for task in run.tasks:
        for line in task.log:
            if line.event == "stage.spread":
                yield task, line


def _end(task: TaskHistory) -> Line | None:
    return next((line for line in task.log if line.event.removeprefix("task.") in ENDS), None)


RULES = (
    items_are_there_once,
    joins_see_all,
    failed_for_its_items,
    at_work_within_the_limit,
    none_is_left_behind,
    families_cost_once,
)
