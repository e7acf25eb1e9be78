"""Every way that a task can go: fan-outs, waits, redrives and floods."""

from collections.abc import Iterator

from bench.figures.tables import Result, aims

PATHS = {
    "fan_out_items": "a fan-out with a join",
    "fan_out_at_10": "its items, 10 at work at a time (the default of a template)",
    "fan_out_at_100": "100 at a time",
    "fan_out_at_1000": "1,000 at a time",
    "fan_out_spread": "until the tasks of all items are there",
    "fan_out_worker_memory_peak": "memory of a worker, peak",
    "fan_out_sql_statements": "SQL statements, 1,000 at a time",
    "fan_out_wal_bytes": "WAL",
    "waiting_tasks": "tasks that wait, half for a time and half for a person",
    "waiting_begun": "from the request until they wait",
    "waiting_size": "tables and indexes",
    "waiting_sweep": "statements of a sweep that looks",
    "waiting_sweep_asleep": "statements of a sweep that sleeps",
    "waiting_idle_statements": "statements of all processes while nothing happens",
    "waiting_idle_cpu": "CPU of the servers and the sweep meanwhile, beyond that without waiting tasks",
    "waiting_due_tasks": "of them come due at the same moment",
    "waiting_due_p50": "from that moment until a task has ended, median",
    "waiting_due_last": "until the last has",
    "redrive_letters": "dead letters redriven by one request",
    "redrive_sent": "until all are sent",
    "redrive_request": "the longest request",
    "redrive_ended": "until all tasks have ended, at the highest rate that can be asked for",
    "redrive_paced": "of it what the rate makes the last wait",
    "redrive_all_ended": "until all tasks have ended",
    "redrive_wal_bytes": "WAL",
    "flood_tasks": "a flood of one project",
    "flood_single_p50": "a single task of another meanwhile, median",
    "flood_single_p99": "the same, 99th percentile",
    "flood_single_p99_unfair": "the same without fairness",
    "flood_done": "until the flood is done",
    "others_on_the_machine": "other programs on the machine, in the worst run",
}


def paths(result: Result) -> Iterator[str]:
    """Yield the section of bench/results/paths.json."""
    yield (
        "The real handlers in two worker processes (three for the flood) on PostgreSQL and Redis, with agents that do "
        "nothing; SQS is stood in for below botocore."
    )
    yield ""
    yield from aims(result["figures"], PATHS)
