"""What a path is measured on: the engine's bed, with a process that calls instead of the one that submits only."""

from contextlib import ExitStack
from typing import Any

import redis

from bench.engine.bed import WORKERS, Bed
from bench.engine.children import BenchFailed, start_child, start_worker
from bench.engine.meters import machine_share
from bench.engine.readings import Reading
from bench.engine.servers import servers
from bench.engine.workload import task
from bench.paths import templates

MESSAGES = 10  # a worker takes at once
WARM_TASKS = 200


def made_bed(alive: ExitStack, *documents: dict[str, Any]) -> Bed:
    """Start servers with these templates published, two workers and the caller, all warm; `alive` stops them."""
    made = alive.enter_context(servers())
    templates.publish(made.postgres.url, *documents)
    starting = [start_worker(made, f"worker_{number}", messages=MESSAGES) for number in range(1, WORKERS + 1)]
    starting.append(start_child(made, "caller", "bench.paths.caller", {}))
    *workers, caller = [alive.enter_context(child) for child in starting]
    admin = alive.enter_context(made.admin())
    queues = alive.enter_context(made.queue_client())
    bed = Bed(made, workers, caller, admin, queues, alive.enter_context(redis.Redis.from_url(made.cache.url)))
    caller.ask(move="load", task=task(0), count=WARM_TASKS, batch=10)
    bed.drain()
    return bed


def value(bed: Bed, query: str, *given: Any) -> Any:
    """Return the one value that a query gives."""
    row = bed.admin.execute(query, given).fetchone()
    assert row is not None
    return row[0]


def check(found: Any, wanted: Any, what: str) -> None:
    """Raise BenchFailed when not all went as it was to go: then there is nothing to measure."""
    if found != wanted:
        raise BenchFailed(
            f"{what}: {found}, not {wanted}; run it with fewer --tasks and see what the workers log"
        )


def asked_of_servers(before: Reading, after: Reading) -> dict[str, float]:
    """Return what was asked of PostgreSQL, Redis and SQS between two readings, and the WAL that came of it."""
    counted = {
        **{name: after.calls[name] - before.calls[name] for name in after.calls},
        **{name: after.server[name] - before.server[name] for name in ("wal_bytes", "redis_commands")},
    }
    for name in ("send_calls", "sent_messages"):
        counted[f"sqs_{name}"] = after.queue.get(name, 0) - before.queue.get(name, 0)
    return counted


def spent_s(before: Reading, after: Reading) -> dict[str, float]:
    """Return the CPU seconds of each process between two readings."""
    return {name: round(after.cpu[name] - before.cpu[name], 3) for name in after.cpu}


def machine(before: Reading, after: Reading) -> dict[str, float]:
    """Return the shares of the machine's CPU time between two readings: this bench's processes, others, idle."""
    return machine_share(before.machine, after.machine, sum(after.cpu.values()) - sum(before.cpu.values()))
