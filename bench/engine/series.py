"""The runs of `make bench`, and what they come to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from bench.engine.bed import Say
from bench.engine.plan import Plan
from bench.engine.run import run
from bench.local_report import Figure

TASKS = 10_000
BATCHES = (10, 100)
REPEATS = 3
SIZES = (1_000, 100_000)
PACE = 0.5
CPU_S_AT_MOST = 3.0
LINEAR_AT_LEAST = 0.9
GROWTH_AT_MOST = 1.1
OTHERS_AT_MOST = 0.1  # of the machine's CPU time; where others took more, run again when they are quiet

Figures = Mapping[str, Any]


def measure(say: Say, *, share: float = 1.0) -> dict[str, Any]:
    """Do every run and return {"figures", "runs"}; `share` makes all runs smaller, to try the bench itself.

    Both batch sizes take turns, so that a machine that grows slower does so for both; each one's median run (by
    throughput) stands for it.
    """
    plans = {f"batch_{batch}": Plan(tasks=_part(TASKS, share), batch=batch) for batch in BATCHES}
    repeats: dict[str, list[Figures]] = {name: [] for name in plans}
    for number in range(1, REPEATS + 1):
        for name, plan in plans.items():
            repeats[name].append(_told(say, f"run {number} of {REPEATS}, {name}", plan))
    middle = {name: _middle(found) for name, found in repeats.items()}
    whole = replace(plans["batch_100"], singles=0)
    sizes = {
        f"tasks_{size}": _told(say, f"{size:,} tasks", replace(whole, tasks=_part(size, share)))
        for size in SIZES
    }
    pace = round(PACE * middle["batch_10"]["tasks_per_s"], 1)
    paced = _told(say, "at half the pace", replace(plans["batch_10"], singles=0, per_s=pace))
    runs = {**{name: {**middle[name], "all_tasks_per_s": _speeds(repeats[name])} for name in plans}, **sizes}
    return {"figures": figures({**runs, "paced": paced}, repeats), "runs": {**runs, "paced": paced}}


def figures(runs: Mapping[str, Figures], repeats: Mapping[str, Sequence[Figures]]) -> list[Figure]:
    """Return the figures that people look at, with their aims."""
    large, small = runs["batch_100"], runs["batch_10"]
    largest = runs[f"tasks_{SIZES[-1]}"]
    idle = [one["idle_latency_ms"] for found in repeats.values() for one in found]
    return [
        Figure("tasks_per_s_batch_10", small["tasks_per_s"], "tasks/s"),
        Figure("tasks_per_s_batch_100", large["tasks_per_s"], "tasks/s"),
        Figure("idle_p50", median(one["p50"] for one in idle), "ms"),
        Figure("idle_p99", median(one["p99"] for one in idle), "ms"),
        Figure("half_pace_p50", runs["paced"]["latency_under_load_ms"]["p50"], "ms"),
        Figure("half_pace_p99", runs["paced"]["latency_under_load_ms"]["p99"], "ms"),
        *_cpu_figures(large["cpu_s_per_1000_tasks"]),
        *_per_task_figures(large["per_task"]),
        *_growth_figures(runs[f"tasks_{SIZES[0]}"], large, largest),
        Figure("others_on_the_machine", _others(runs), "of all CPU", at_most=OTHERS_AT_MOST),
    ]


def _others(runs: Mapping[str, Figures]) -> float:
    return max(float(one["machine_cpu"]["others"]) for one in runs.values())


def _cpu_figures(spent: Mapping[str, float]) -> list[Figure]:
    parts = [Figure(f"cpu_{n}", value, "s/1,000 tasks") for n, value in spent.items() if n != "total"]
    return [*parts, Figure("cpu_total", spent["total"], "s/1,000 tasks", at_most=CPU_S_AT_MOST)]


def _per_task_figures(found: Mapping[str, float]) -> list[Figure]:
    shown = {
        "sql_statements": "/task",
        "sqs_send_calls": "/task",
        "sqs_sent_messages": "/task",
        "redis_round_trips": "/task",
        "redis_commands": "/task",
        "wal_bytes": "bytes/task",
        "log_bytes": "bytes/task",
    }
    return [Figure(name, found[name], unit) for name, unit in shown.items()]


def _growth_figures(small: Figures, middle: Figures, large: Figures) -> list[Figure]:
    linear = large["tasks_per_s"] / middle["tasks_per_s"]
    workers = [one for name, one in large["memory_mb"].items() if name.startswith("worker_")]
    growth = max(_last_to_middle(one["samples"]) for one in workers)
    return [
        Figure("tasks_per_s_smallest", small["tasks_per_s"], "tasks/s"),
        Figure("tasks_per_s_largest", large["tasks_per_s"], "tasks/s"),
        Figure("largest_to_10000", linear, "ratio", at_least=LINEAR_AT_LEAST),
        Figure("worker_memory_peak", max(one["peak"] for one in workers), "MB"),
        Figure("worker_memory_growth", growth, "ratio", at_most=GROWTH_AT_MOST),
    ]


def _last_to_middle(samples: Sequence[Sequence[float]]) -> float:
    """Return memory at the end by memory at a tenth of the run, when every cache has been filled once."""
    return samples[-1][1] / samples[len(samples) // 10][1]


def _told(say: Say, what: str, plan: Plan) -> dict[str, Any]:
    inner: Callable[[str], None] = lambda step: say(f"{what}: {step}")  # noqa: E731
    found = run(plan, inner)
    say(
        f"{what}: {found['tasks_per_s']:,.0f} tasks/s, {found['cpu_s_per_1000_tasks']['total']:.2f} CPU s/1,000"
    )
    return found


def _middle(found: Sequence[Figures]) -> Figures:
    return sorted(found, key=lambda one: float(one["tasks_per_s"]))[len(found) // 2]


def _speeds(found: Sequence[Figures]) -> list[float]:
    return [one["tasks_per_s"] for one in found]


def _part(tasks: int, share: float) -> int:
    return max(100, int(tasks * share))
