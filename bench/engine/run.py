"""One run: servers up, workers warm, tasks through, figures out."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from bench.engine.bed import WORKERS, Bed, Say, made_bed
from bench.engine.children import BenchFailed
from bench.engine.meters import Memory, machine_share, shared_once_mb
from bench.engine.plan import Plan
from bench.engine.readings import Reading
from bench.engine.servers import PREFIX, queue_names
from bench.engine.workload import QUEUES, STAGES
from bench.local_load import share
from bench.sqs.figures import depth
from bench.sqs.streams import dead_queue

WARM_BATCHES = 20
WARM_SINGLES = 10


def run(plan: Plan, say: Say = lambda _: None) -> dict[str, Any]:
    """Do one run on servers of its own and return its figures; raise BenchFailed when a task did not complete.

    seconds                 from the first request until every queue was empty and every result read
    tasks_per_s             tasks by those seconds
    latency_under_load_ms   from the acceptance of a task to its end; with a backlog this is mostly waiting
    idle_latency_ms         of one task on an idle system, from the request to the end in a waiter's hand
    cpu_s_per_1000_tasks    by process, the servers with their children, and in total
    machine_cpu             shares of the machine's CPU time: this run, others, idle
    memory_mb               resident MB by process over time; PostgreSQL's at the end, shared pages once
    per_task                what was asked of servers, by task: statements, calls, round trips, bytes
    functions               by function (api.tasks: the submissions) its invocations, messages and seconds
    settings                what durability and speed of the servers depend on
    """
    with ExitStack() as alive:
        say("starting the servers and the workers")
        bed = made_bed(plan, alive)
        say("warming up")
        warm = WARM_BATCHES * min(plan.batch, plan.tasks)
        bed.submitter.ask(move="load", count=warm, batch=plan.batch, per_s=None)
        bed.drain()
        if plan.singles:
            bed.submitter.ask(move="singles", count=WARM_SINGLES)
            say(f"{plan.singles} tasks one after the other")
        bed.drain()
        singles = bed.submitter.ask(move="singles", count=plan.singles)["milliseconds"]
        bed.drain()
        say(f"{plan.tasks:,} tasks in batches of {plan.batch}")
        return {
            **_load(bed, plan, say),
            "idle_latency_ms": _latencies(singles),
            "settings": bed.servers.settings(),
        }


def _load(bed: Bed, plan: Plan, say: Say) -> dict[str, Any]:
    bed.admin.execute("CHECKPOINT")  # so that each run writes its first full pages itself
    sampled = {name: pid for name, pid in bed.processes.items() if name != "postgres"}
    before = Reading.of(bed)
    with Memory(sampled) as memory:
        times = bed.load(plan, say)
        bed.drain(say)
        results = _read_results(bed, times["began"])
        seconds = time.time() - times["began"]
    after = Reading.of(bed)
    postgres_mb = shared_once_mb(bed.processes["postgres"])
    _check_all_completed(bed, results, plan.tasks)
    return {
        "tasks": plan.tasks,
        "batch": plan.batch,
        "workers": WORKERS,
        "seconds": round(seconds, 3),
        "submitted_in_s": round(times["ended"] - times["began"], 3),
        "tasks_per_s": round(plan.tasks / seconds, 1),
        "stages_per_s": round(plan.tasks * STAGES / seconds, 1),
        "latency_under_load_ms": _load_latencies(bed, times["began"]),
        "cpu_s_per_1000_tasks": _cpu(before, after, plan.tasks),
        "machine_cpu": machine_share(
            before.machine, after.machine, sum(after.cpu.values()) - sum(before.cpu.values())
        ),
        "memory_mb": {**memory.told(), "postgres": {"last": round(postgres_mb, 1)}},
        "per_task": _per_task(before, after, plan.tasks),
        "functions": _functions(before, after),
    }


def _read_results(bed: Bed, began: float) -> list[tuple[str, Any, Any]]:
    """Read every task's result, as the peers' submitters do, within the run's time: status, input, output."""
    query = "SELECT status, input, output FROM task_histories WHERE created_at >= to_timestamp(%s)"
    return bed.admin.execute(query, [began]).fetchall()


def _check_all_completed(bed: Bed, results: list[tuple[str, Any, Any]], wanted: int) -> None:
    found = Counter(status for status, _, _ in results)
    if found != {"completed": wanted}:
        raise BenchFailed(f"of {wanted} tasks not all completed: {found}; run with fewer --tasks and see why")
    if wrong := sum(given != result for _, given, result in results):
        raise BenchFailed(f"{wrong} of {wanted} tasks have another result than the echo of their input")
    names = {dead_queue(name) for name in queue_names()}
    if dead := depth(bed.queues, names):
        raise BenchFailed(f"{dead} dead letters in {PREFIX}*-dead, though every task completed")


def _load_latencies(bed: Bed, began: float) -> dict[str, float]:
    query = """
      SELECT percentile_cont(ARRAY[0.5, 0.99])
        WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM finished_at - created_at))
      FROM task_histories WHERE created_at >= to_timestamp(%s)
    """
    found = bed.admin.execute(query, [began]).fetchone()
    assert found is not None
    return {"p50": round(found[0][0], 1), "p99": round(found[0][1], 1)}


def _latencies(milliseconds: Sequence[float]) -> dict[str, float]:
    if not milliseconds:
        return {}
    shown = {"p50": share(milliseconds, 0.5), "p99": share(milliseconds, 0.99), "max": max(milliseconds)}
    return {"tasks": len(milliseconds), **{name: round(value, 2) for name, value in shown.items()}}


def _cpu(before: Reading, after: Reading, tasks: int) -> dict[str, float]:
    spent = {name: 1000 * (after.cpu[name] - before.cpu[name]) / tasks for name in after.cpu}
    workers = sum(value for name, value in spent.items() if name.startswith("worker_"))
    shown = {"workers": workers, **{n: v for n, v in spent.items() if not n.startswith("worker_")}}
    return {name: round(value, 3) for name, value in {**shown, "total": sum(spent.values())}.items()}


def _per_task(before: Reading, after: Reading, tasks: int) -> dict[str, float]:
    calls = {name: after.calls[name] - before.calls[name] for name in after.calls}
    server = {name: after.server[name] - before.server[name] for name in after.server}
    queue = {f"sqs_{name}": value - before.queue.get(name, 0) for name, value in after.queue.items()}
    logs = {"log_bytes": after.log_bytes - before.log_bytes}
    return {name: round(value / tasks, 4) for name, value in {**calls, **server, **queue, **logs}.items()}


def _functions(before: Reading, after: Reading) -> dict[str, Mapping[str, float]]:
    """Return by function its invocations, messages and seconds, and milliseconds of an invocation."""
    found: dict[str, Mapping[str, float]] = {}
    for name in (*map(str, QUEUES), "api.tasks"):
        done = Counter(after.functions.get(name, Counter()))
        done.subtract(before.functions.get(name, Counter()))
        each = 1000 * done["seconds"] / done["invocations"] if done["invocations"] else 0.0
        found[name] = {key: round(value, 3) for key, value in done.items()} | {
            "ms_per_invocation": round(each, 2)
        }
    return found
