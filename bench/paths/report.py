"""What the paths came to, as figures that people look at, with their aims."""

from collections.abc import Mapping
from typing import Any

from bench.local_report import Figure

WORKER_MB_AT_MOST = 512.0  # the memory that a stage function is given
REQUEST_S_AT_MOST = 29.0  # API Gateway ends a request at 30 s
IDLE_CPU_AT_MOST = 0.01  # of one core, beside the same servers with nothing in them
SINGLE_MS_AT_MOST = 2000.0
OTHERS_AT_MOST = 0.1  # of the machine's CPU time; where others took more, run again when they are quiet

Result = Mapping[str, Any]


def figures(paths: Mapping[str, Result]) -> list[Figure]:
    """Return the figures of the paths that were measured, by the names of their modules."""
    makers = {"fan_out": _fan_out, "waiting": _waiting, "redrive": _redrive, "flood": _flood}
    found = [figure for name, maker in makers.items() if name in paths for figure in maker(paths[name])]
    return [*found, *_others(paths)]


def _fan_out(found: Result) -> list[Figure]:
    runs = {name: one for name, one in found.items() if name.startswith("concurrency_")}
    peak = max(
        size["peak"]
        for one in runs.values()
        for name, size in one["memory_mb"].items()
        if name.startswith("worker_")
    )
    asked = list(runs.values())[-1]["per_item"]
    return [
        Figure("fan_out_items", found["items"], "items"),
        *(Figure(f"fan_out_at_{one['at_work']}", one["items_per_s"], "items/s") for one in runs.values()),
        Figure("fan_out_spread", max(one["spread_s"] for one in runs.values()), "s"),
        Figure("fan_out_worker_memory_peak", peak, "MB", at_most=WORKER_MB_AT_MOST),
        Figure("fan_out_sql_statements", asked["sql_statements"], "/item"),
        Figure("fan_out_wal_bytes", asked["wal_bytes"], "bytes/item"),
    ]


def _waiting(found: Result) -> list[Figure]:
    idle = found["idle"]
    more_s = _servers_s(idle["with"]) - _servers_s(idle["without"])
    return [
        Figure("waiting_tasks", found["tasks"], "tasks"),
        Figure("waiting_begun", found["made_per_s"], "tasks/s"),
        Figure("waiting_size", found["mb_per_1000"], "MB/1,000 tasks"),
        Figure("waiting_sweep", 1000 * found["sweep"]["database_s"], "ms"),
        Figure("waiting_sweep_asleep", found["asleep"]["statements"], "statements", at_most=0),
        Figure("waiting_idle_statements", idle["with"]["sql_statements"], "statements", at_most=0),
        Figure("waiting_idle_cpu", max(0.0, more_s) / found["idle_s"], "cores", at_most=IDLE_CPU_AT_MOST),
        Figure("waiting_due_tasks", found["due"]["tasks"], "tasks"),
        Figure("waiting_due_p50", found["due"]["p50_s"], "s"),
        Figure("waiting_due_last", found["due"]["max_s"], "s"),
    ]


def _servers_s(idle: Result) -> float:
    """Return the CPU seconds of the product's servers: the workers' polling stands for that of AWS."""
    return sum(float(idle["cpu_s"][name]) for name in ("postgres", "redis", "caller"))


def _redrive(found: Result) -> list[Figure]:
    return [
        Figure("redrive_letters", found["letters"], "letters"),
        Figure("redrive_sent", found["sent_per_s"], "letters/s"),
        Figure("redrive_request", max(found["call_s"]), "s", at_most=REQUEST_S_AT_MOST),
        Figure("redrive_ended", found["ended_per_s"], "letters/s"),
        Figure("redrive_paced", found["paced_s"], "s"),
        Figure("redrive_all_ended", found["ended_s"], "s"),
        Figure("redrive_wal_bytes", found["per_letter"]["wal_bytes"], "bytes/letter"),
    ]


def _flood(found: Result) -> list[Figure]:
    fair, unfair = found["with_fairness"], found["without_fairness"]
    p99 = fair["latency_ms"]["p99"]
    return [
        Figure("flood_tasks", found["tasks"], "tasks"),
        Figure("flood_single_p50", fair["latency_ms"]["p50"], "ms"),
        Figure("flood_single_p99", p99, "ms", at_most=SINGLE_MS_AT_MOST),
        Figure("flood_single_p99_unfair", unfair["latency_ms"]["p99"], "ms"),
        Figure("flood_done", fair["done_in_s"], "s"),
    ]


def _others(paths: Mapping[str, Result]) -> list[Figure]:
    runs = [*paths.get("fan_out", {}).values(), paths.get("redrive", {})]
    shares = [
        one["machine_cpu"]["others"] for one in runs if isinstance(one, Mapping) and "machine_cpu" in one
    ]
    return (
        [Figure("others_on_the_machine", max(shares), "of all CPU", at_most=OTHERS_AT_MOST)] if shares else []
    )
