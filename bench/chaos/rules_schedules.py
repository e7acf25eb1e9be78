"""Rules on schedules: each of their times makes one task, none too early, none left out without a reason."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from uuid import UUID

from bench.chaos.history import ENDS, Finding, Line, RunHistory, ScheduleStep, TaskHistory, Terms

SAME_S = 0.002  # ids of times are told to the millisecond
IN_HAND_S = 5.0  # for which a sweep may have a time in hand that is just being paused
LABEL = "schedule"


def times_make_one_task(run: RunHistory) -> Iterator[Finding]:
    """Each time for which a schedule noted a task made exactly one; one that was left out, and any other, made none."""
    made = _made(run)
    for schedule_id, steps in run.schedules.items():
        tasks = made.get(schedule_id, {})
        for step in steps:
            if not step.moves:
                continue
            count = len(_of(tasks, step.due_at or 0.0))
            rule = "a due time is not lost" if count == 0 else "a due time makes one task"
            if _noted(step, step.last_at) and count != 1:
                yield Finding(str(schedule_id), rule, f"{_told(step)} has {count} tasks")
            if _noted(step, step.skipped_at) and count:
                evidence = f"{_told(step)} was left out, and has {count} tasks"
                yield Finding(str(schedule_id), "a time that is left out makes no task", evidence)
        stood = [step.next_at for step in steps]
        for due_at, found in tasks.items():
            if len(found) > 1:
                evidence = f"its time {due_at:.3f} has the tasks {', '.join(one.subject for one in found)}"
                yield Finding(str(schedule_id), "a due time makes one task", evidence)
            if not any(abs(due_at - at) < SAME_S for at in stood):
                evidence = f"{found[0].subject} is of {due_at:.3f}, at which it never stood"
                yield Finding(str(schedule_id), "no time is made up", evidence)
    for schedule_id in made.keys() - run.schedules.keys():
        yield Finding(str(schedule_id), "no time is made up", "it has tasks, but it was never made")


def times_follow_each_other(run: RunHistory) -> Iterator[Finding]:
    """A schedule goes from each of its times to the next one, over several only when they had passed unseen."""
    for schedule_id, steps in run.schedules.items():
        for step in steps:
            for evidence in _wrong_way(step, run.terms) if step.moves else ():
                yield Finding(str(schedule_id), "a schedule leaves no time out", f"{_told(step)} {evidence}")


def _wrong_way(step: ScheduleStep, terms: Terms) -> Iterator[str]:
    due_at, every_s = step.due_at or 0.0, int(step.rate.split()[0]) * terms.minute_s
    if step.rate != step.rate_before:
        return  # somebody gave it other times
    passed = (step.next_at - due_at) / every_s
    if passed < 1 - SAME_S or abs(passed - round(passed)) * every_s > SAME_S:
        yield f"went on to {step.next_at:.3f}, which is none of its times"
        return
    if step.was_paused and not step.paused:
        return  # what a pause left out is not made up for
    if not any(_noted(step, at) for at in (step.last_at, step.skipped_at, step.refused_at)):
        yield f"went on to {step.next_at:.3f} without a task or a reason"
    missed = step.at - due_at > terms.missed_s and due_at + every_s <= step.at
    if passed > 1 + SAME_S and not missed:
        yield f"went over {round(passed) - 1} times, {step.at - due_at:.3f} s after it was due"


def none_too_early(run: RunHistory) -> Iterator[Finding]:
    """No time makes its task before it has come, nor while its schedule is paused."""
    for schedule_id, tasks in _made(run).items():
        paused = list(_paused(run.schedules.get(schedule_id, ())))
        for due_at, found in tasks.items():
            for task in found:
                at = _begin(task)
                if at < due_at - SAME_S:
                    evidence = f"{task.subject} was made {due_at - at:.3f} s before its time"
                    yield Finding(str(schedule_id), "a time waits until it comes", evidence)
                if any(since + IN_HAND_S < at < until for since, until in paused):
                    yield Finding(
                        str(schedule_id), "a paused schedule makes no task", f"{task.subject} at {at:.3f}"
                    )


def none_is_refused(run: RunHistory) -> Iterator[Finding]:
    """A schedule whose task was in order is refused none."""
    for schedule_id, steps in run.schedules.items():
        if refused := [step for step in steps if step.refused_at is not None]:
            yield Finding(
                str(schedule_id), "a schedule's task is accepted", f"{_told(refused[0])} was refused"
            )


def overlaps_are_skipped(run: RunHistory) -> Iterator[Finding]:
    """A schedule that is not to overlap makes no task while the one that it made last is open."""
    tasks = {task.row.id: task for task in run.tasks}
    for schedule_id, steps in run.schedules.items():
        for before, step in pairwise(steps):
            last, made = _task(tasks, before.last_task_id), _task(tasks, step.last_task_id)
            if step.overlap != "skip" or not step.moves or not last or not made or last is made:
                continue
            if _begin(last) < _begin(made) < _end(last):
                evidence = (
                    f"{made.subject} was made {_end(last) - _begin(made):.3f} s before {last.subject} ended"
                )
                yield Finding(str(schedule_id), "a schedule does not overlap itself", evidence)


def runs_are_there(run: RunHistory) -> Iterator[Finding]:
    """A confirmed run out of turn has its task, and no request has two."""
    there = {task.row.id for task in run.tasks}
    runs = [order for order in run.orders if (order.what, order.scope) == ("run", "schedule")]
    for order in runs:
        if order.status == 202 and order.made not in there:
            evidence = f"a run out of turn was answered with {order.made}, which is not there"
            yield Finding(str(order.name), "a confirmed run is not lost", evidence)
    out_of_turn = [task for task in run.tasks if LABEL in task.row.labels and task.row.schedule_id is None]
    top = [task for task in out_of_turn if task.row.parent_task_id is None]
    if len(top) > len(runs):
        evidence = f"there are {len(top)} tasks that were made out of turn, and {len(runs)} were asked for"
        yield Finding("schedules", "a run makes one task", evidence)


def _made(run: RunHistory) -> Mapping[UUID, Mapping[float, Sequence[TaskHistory]]]:
    """Return the tasks that schedules made, by the time that they are of."""
    found: dict[UUID, dict[float, list[TaskHistory]]] = defaultdict(lambda: defaultdict(list))
    for task in run.tasks:
        if task.row.schedule_id is not None and task.row.due_at is not None:
            found[task.row.schedule_id][task.row.due_at].append(task)
    return found


def _of(tasks: Mapping[float, Sequence[TaskHistory]], due_at: float) -> Sequence[TaskHistory]:
    return [task for at, found in tasks.items() if abs(at - due_at) < SAME_S for task in found]


def _noted(step: ScheduleStep, at: float | None) -> bool:
    """Say whether what was noted is of the time at which the schedule stood."""
    return at is not None and abs(at - (step.due_at or 0.0)) < SAME_S


def _paused(steps: Iterable[ScheduleStep]) -> Iterator[tuple[float, float]]:
    since: float | None = None
    for step in steps:
        if step.paused and since is None:
            since = step.at
        elif not step.paused and since is not None:
            yield since, step.at
            since = None
    if since is not None:
        yield since, float("inf")


def _task(tasks: Mapping[UUID, TaskHistory], task_id: UUID | None) -> TaskHistory | None:
    return tasks.get(task_id) if task_id else None


def _begin(task: TaskHistory) -> float:
    return next((line.at for line in task.log if line.event == "task.submitted"), 0.0)


def _end(task: TaskHistory) -> float:
    ends: list[Line] = [line for line in task.log if line.event.removeprefix("task.") in ENDS]
    return ends[0].at if ends else float("inf")


def _told(step: ScheduleStep) -> str:
    return f"the time {step.due_at or 0.0:.3f}"


RULES = (
    times_make_one_task,
    times_follow_each_other,
    none_too_early,
    none_is_refused,
    overlaps_are_skipped,
    runs_are_there,
)
