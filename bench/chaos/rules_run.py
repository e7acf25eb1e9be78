"""Rules that hold over the whole run: requests, cancellations, measurements."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from bench.chaos import rules_reruns, rules_schedules
from bench.chaos.history import Finding, RunHistory

NUMBER_LABEL = "chaos"
ALLOWED = "sweep: Unavailable"
_MADE_OTHERWISE = {rules_reruns.LABEL, rules_schedules.LABEL}


def submitted_once(run: RunHistory) -> Iterator[Finding]:
    """Each planned task is there exactly once, whatever its request went through."""
    there = Counter(
        task.row.labels.get(NUMBER_LABEL, "none")
        for task in run.tasks
        if task.row.parent_task_id is None and _MADE_OTHERWISE.isdisjoint(task.row.labels)
    )
    for number in sorted(run.planned):
        if (count := there.pop(str(number), 0)) != 1:
            rule = "an accepted request is not lost" if count == 0 else "a repeated request has one effect"
            yield Finding(f"number {number}", rule, f"there are {count} tasks of it")
    for label, count in there.items():
        yield Finding(
            f"number {label}", "nothing comes from nowhere", f"there are {count} tasks that nobody sent"
        )


def answered_alike(run: RunHistory) -> Iterator[Finding]:
    """Every answer to one Idempotency-Key names the same tasks, and they are those that were asked for."""
    answers: dict[str, set[tuple[UUID, ...]]] = defaultdict(set)
    numbers = {task.row.id: task.row.labels.get(NUMBER_LABEL) for task in run.tasks}
    for submission in run.submissions:
        answers[submission.key].add(tuple(submission.task_ids))
        named = [numbers.get(task_id) for task_id in submission.task_ids]
        if named != [str(number) for number in submission.numbers]:
            evidence = f"asked for {list(submission.numbers)}, was given the tasks of {named}"
            yield Finding(submission.key, "an answer names what was accepted", evidence)
    for key, given in answers.items():
        if len(given) > 1:
            yield Finding(key, "a repeated request has one answer", f"it was answered in {len(given)} ways")


def cancelled_stay_cancelled(run: RunHistory) -> Iterator[Finding]:
    """A task whose cancellation was confirmed is cancelled; one that was refused had ended otherwise.

    Of one that ran again only the log tells.
    """
    statuses = {task.row.id: task.row.status for task in run.tasks}
    again = {task.row.id: task for task in run.tasks if task.reruns}
    for cancel in run.cancels:
        if (task := again.get(cancel.task_id)) is not None:
            if cancel.http_status == 200 and not any(line.event == "task.cancelled" for line in task.log):
                evidence = "its cancellation was confirmed, but is not in its log"
                yield Finding(task.subject, "a cancelled task stays cancelled", evidence)
            continue
        status = statuses.get(cancel.task_id)
        if cancel.http_status == 200 and (status, cancel.task_status) != ("cancelled", "cancelled"):
            evidence = f"its cancellation was confirmed ({cancel.task_status}), but it is {status}"
            yield Finding(str(cancel.task_id), "a cancelled task stays cancelled", evidence)
        elif cancel.http_status == 409 and status == "cancelled":
            evidence = "its cancellation was refused, but it is cancelled"
            yield Finding(str(cancel.task_id), "a refused cancellation changes nothing", evidence)


def measured_once(run: RunHistory) -> Iterator[Finding]:
    """What is measured of the agents is what the logs and the stages say."""
    outcomes = {"stage.completed", "stage.retrying", "stage.failed", "stage.skipped", "stage.cancelled"}
    lines = [line for task in run.tasks for line in task.log if line.agent and line.event in outcomes]
    # A stage that started tasks costs what they cost: that was measured where it was spent.
    stages = [
        stage
        for task in run.tasks
        for stage in task.stages.values()
        if stage.children is None and stage.name not in task.spread
    ]
    counted = {
        "calls": Decimal(len(lines)),
        "failures": Decimal(sum(1 for line in lines if line.detail.get("error"))),
        "cost_usd": sum((stage.cost_usd for stage in stages), Decimal(0)),
        "tokens": Decimal(sum(stage.tokens for stage in stages)),
    }
    for name, value in counted.items():
        if run.measured.get(name, Decimal(0)) != value:
            evidence = f"{name} is {run.measured.get(name, 0)}, the logs and stages add up to {value}"
            yield Finding("agent_performance", "measurements count once", evidence)


def handlers_do_not_raise(run: RunHistory) -> Iterator[Finding]:
    """Whatever fails around it, a stage's handler answers; only the sweep may say that it could not be done."""
    for what, count in run.raised.items():
        if what != ALLOWED:
            yield Finding(what.partition(":")[0], "handlers do not raise", f"{what}, {count} times")


RULES = (submitted_once, answered_alike, cancelled_stay_cancelled, measured_once, handlers_do_not_raise)
