"""What a run came to, for machines and for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.chaos.fleet import Deaths
from bench.chaos.history import Finding, RunHistory, TaskHistory
from bench.chaos.rules_run import NUMBER_LABEL
from bench.chaos.rules_schedules import LABEL
from bench.chaos.schedule import OF_MACHINES
from steersman.failpoints import NAMES

EXAMPLES = 3


def counts(history: RunHistory, deaths: Deaths, happened: Mapping[str, int]) -> dict[str, Any]:
    """Return the counts of a run."""
    executions = [one for task in history.tasks for one in task.executions]
    lines = Counter(line.event for task in history.tasks for line in task.log)
    return {
        "submitted": sum(1 for task in history.tasks if _is_top(task) and NUMBER_LABEL in task.row.labels),
        "tasks": dict(Counter(task.row.status for task in history.tasks)),
        "stages": dict(Counter(stage.status for task in history.tasks for stage in task.stages.values())),
        "executions": {
            "all": len(executions),
            "cut_off": sum(1 for one in executions if one.answer is None),
            **Counter(one.answer for one in executions if one.answer),
        },
        "log_lines": dict(sorted(lines.items())),
        "leases_lost": sum(
            1 for task in history.tasks for change in task.changes if change.stage and change.takes_over
        ),
        "repeated_requests": len(history.submissions) - len({one.key for one in history.submissions}),
        "cancellations": dict(Counter(str(one.http_status) for one in history.cancels)),
        "orders": dict(Counter(f"{one.what} {one.scope or 'task'} {one.status}" for one in history.orders)),
        "schedules": _schedules(history),
        "limits": _limits(history),
        "followers": _followers(history),
        "kills_at_failpoints": {name: deaths.at_failpoints[name] for name in NAMES},
        "kills_at_random": dict(deaths.at_random),
        "stalls": deaths.stalls,
        "lives": dict(deaths.lives),
        "ended_by_themselves": deaths.by_themselves,
        "servers": dict(happened),
        "raised_by_handlers": dict(history.raised),
    }


def _is_top(task: TaskHistory) -> bool:
    return task.row.parent_task_id is None


def _schedules(history: RunHistory) -> dict[str, int]:
    """Return what became of the times of schedules, and how often people had one run out of turn."""
    steps = [step for steps in history.schedules.values() for step in steps if step.moves]
    return {
        "schedules": len(history.schedules),
        "tasks": sum(1 for task in history.tasks if task.row.schedule_id is not None),
        "left_out": sum(1 for step in steps if step.skipped_at == step.due_at),
        "runs": sum(1 for task in history.tasks if task.row.schedule_id is None and LABEL in task.row.labels),
    }


def _limits(history: RunHistory) -> dict[str, int]:
    """Return how much was limited: calls of agents that take few, stages that waited for a budget of the day."""
    lines = [line for task in history.tasks for line in task.log if line.event == "stage.awaiting"]
    executions = [one for task in history.tasks for one in task.executions]
    return {
        "calls_of_limited_agents": sum(1 for one in executions if one.agent in history.terms.calls_of),
        "waits_for_the_day": sum(1 for line in lines if line.detail.get("scope") == "project_day"),
        "waits_for_the_task": sum(1 for line in lines if line.detail.get("kind") == "budget")
        - sum(1 for line in lines if line.detail.get("scope") == "project_day"),
    }


def _followers(history: RunHistory) -> dict[str, int]:
    """Return how much was followed while the run went on; `repeats` are events that a follow was told before."""
    follows = [follow for task in history.tasks for follow in task.follows]
    answers = [answer for follow in follows for answer in follow.answers]
    events = sum(len(answer.ids) for answer in answers)
    return {
        "tasks": sum(1 for task in history.tasks if task.follows),
        "follows": len(follows),
        "told_the_end": sum(1 for follow in follows if follow.ended),
        "gone_on_with": sum(follow.taken_up - 1 for follow in follows),
        "answers": len(answers),
        "answers_with_events": sum(1 for answer in answers if answer.ids),
        "refused": sum(follow.refused for follow in follows),
        "events": events,
        "repeats": events - sum(len(follow.seen) for follow in follows),
    }


def unreached(deaths: Deaths) -> list[str]:
    """Return the failpoints on the way of a run at which no process died."""
    return [name for name in NAMES if name not in OF_MACHINES and not deaths.at_failpoints[name]]


def grouped(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the findings by rule, each with its first examples."""
    rules = Counter(finding.rule for finding in findings)
    return [
        {
            "rule": rule,
            "count": count,
            "examples": [vars(one) for one in findings if one.rule == rule][:EXAMPLES],
        }
        for rule, count in rules.most_common()
    ]


def show(result: Mapping[str, Any]) -> None:
    """Print the counts, then the findings."""
    console = Console()
    table = Table(box=None, show_header=False)
    many = (
        *("tasks", "kills_at_failpoints", "kills_at_random", "servers", "executions", "log_lines"),
        *("followers", "orders", "schedules", "limits"),
    )
    for name in many:
        told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in result[name].items())
        table.add_row(name.replace("_", " "), told)
    table.add_row(
        "raised by handlers", ", ".join(f"{name} {n}" for name, n in result["raised_by_handlers"].items())
    )
    for name in ("stalls", "leases_lost", "repeated_requests"):
        table.add_row(name.replace("_", " "), str(result[name]))
    if result["unreached_failpoints"]:
        table.add_row("not killed at", ", ".join(result["unreached_failpoints"]))
    console.print(table)
    for group in result["findings"]:
        console.print(f"[red]{group['count']} x {group['rule']}[/]", highlight=False)
        for example in group["examples"]:
            text = f"    {example['subject']}: {example['evidence']}"
            console.print(text, highlight=False, markup=False)
    if not result["findings"]:
        console.print("[green]nothing was lost, nothing counted twice: no finding[/]")
