"""The checker: every rule on every history. It knows nothing of how the run was made."""

from collections.abc import Iterator

from bench.chaos import (
    rules_days,
    rules_families,
    rules_followers,
    rules_limits,
    rules_orders,
    rules_reruns,
    rules_run,
    rules_schedules,
    rules_state,
    rules_undoing,
    rules_witnesses,
)
from bench.chaos.history import Finding, RunHistory, TaskHistory


def check(run: RunHistory) -> list[Finding]:
    """Return everything that is wrong in a run, tasks in their order first."""
    found = [finding for task in run.tasks for finding in check_task(task)]
    rules = (
        *(*rules_run.RULES, *rules_families.RULES, *rules_orders.RULES),
        *(*rules_limits.RULES, *rules_days.RULES, *rules_schedules.RULES, *rules_reruns.RULES),
    )
    return [*found, *(finding for rule in rules for finding in rule(run))]


def check_task(task: TaskHistory) -> Iterator[Finding]:
    """Yield everything that is wrong with one task."""
    for rule in (*rules_state.RULES, *rules_undoing.RULES, *rules_witnesses.RULES, *rules_followers.RULES):
        for name, evidence in rule(task):
            yield Finding(task.subject, name, evidence)
