"""The figures of the local cloud under load as tables for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def write(results: Mapping[str, Any], console: Console) -> None:
    """Print what was measured: each load, what its CPU was spent on, and where the time of its calls went."""
    loads = results["loads"]
    console.print(_throughput(loads))
    console.print(_cpu(loads))
    console.print(_calls(loads))
    latency, memory = results["latency"], results["memory"]
    console.print(
        f"one task on the idle cloud: {latency['p50_ms']:.0f} ms (median), {latency['p95_ms']:.0f} ms (p95); "
        f"emulator and functions: {memory['total_mb']:,} MB in {sum(memory['processes'].values()) + 1} processes"
    )


def _throughput(loads: Mapping[str, Any]) -> Table:
    table = _table(
        "throughput (median run; others: cores that other programs took)",
        "load",
        "tasks",
        "runs",
        "tasks/s",
        "slowest",
        "fastest",
        "others",
    )
    for name, load in loads.items():
        rates = [run["tasks_per_s"] for run in load["runs"]]
        median = load["median"]
        table.add_row(
            name,
            f"{median['tasks']:,}",
            str(len(rates)),
            f"{median['tasks_per_s']:.0f}",
            f"{min(rates):.0f}",
            f"{max(rates):.0f}",
            f"{median['other_programs_cores']:.2f}",
        )
    return table


def _cpu(loads: Mapping[str, Any]) -> Table:
    table = _table("CPU seconds per 1,000 tasks (of the median run)", "spent by", *loads)
    rows = ("emulator", "product_functions", "product_postgresql", "product_redis", "client", "all")
    for row in rows:
        values = [load["median"]["cpu_s_per_1000_tasks"][row] for load in loads.values()]
        table.add_row(row.replace("_", ": "), *(f"{value:.2f}" for value in values))
    return table


def _calls(loads: Mapping[str, Any]) -> Table:
    table = _table("the functions' calls (of the median run)", "what", *loads)
    rows = {
        "stage_calls": "stage calls",
        "jobs_per_stage_call": "jobs in a stage call",
        "stage_handlers_s": "s in stage handlers",
        "stage_calls_outside_handlers_s": "s of stage calls outside them",
        "api_calls_s": "s of API calls",
        "runs_per_stage": "runs of each stage",
    }
    for row, told in rows.items():
        table.add_row(told, *(f"{load['median']['time'][row]:g}" for load in loads.values()))
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table
