"""A fan-out with a join: how fast its items are done, and what they take, with few and with many at work at a time."""

from contextlib import ExitStack
from typing import Any

from bench.engine.bed import Bed, Say
from bench.engine.meters import Memory, shared_once_mb
from bench.engine.readings import Reading
from bench.paths import templates
from bench.paths.bed import asked_of_servers, check, machine, made_bed, spent_s, value

ITEMS = 10_000
CONCURRENCIES = (10, 100, 1000)  # the default of a template first
WARM_ITEMS = 200
_FAMILY = """
  SELECT jsonb_build_object('status', t.status, 'items', count(c.id),
                            'completed', count(c.id) FILTER (WHERE c.status = 'completed'))
  FROM task_histories t LEFT JOIN task_histories c ON c.parent_task_id = t.id
  WHERE t.id = %s GROUP BY t.id"""
_ENDED = "SELECT extract(epoch FROM finished_at)::float8 - %s FROM task_histories WHERE id = %s"
_SPREAD = """
  SELECT extract(epoch FROM max(l.created_at))::float8 - %s
  FROM task_histories c JOIN task_stage_logs l ON l.task_id = c.id AND l.event = 'task.submitted'
  WHERE c.parent_task_id = %s"""


def measure(say: Say, *, tasks: int | None = None) -> dict[str, Any]:
    """Measure a task of `tasks` items with each concurrency, each on servers of its own.

    seconds         from the request to the parent's end
    spread_s        of it until the items' tasks were there
    items_per_s     items by those seconds
    per_item        what was asked of servers, by item: statements, calls, round trips, bytes of WAL
    cpu_s           by process, the servers with their children
    machine_cpu     shares of the machine's CPU time: this run, others, idle
    memory_mb       resident MB of the workers, PostgreSQL's at the end with shared pages once
    """
    items = tasks or ITEMS
    found = {f"concurrency_{at_work}": _run(items, at_work, say) for at_work in CONCURRENCIES}
    return {"items": items, **found}


def _run(items: int, at_work: int, say: Say) -> dict[str, Any]:
    with ExitStack() as alive:
        say("starting the servers and the workers")
        bed = made_bed(alive, templates.fan_out(at_work))
        _fan_out(bed, min(items, WARM_ITEMS))
        say(f"a fan-out over {items:,} items, {at_work} at work at a time")
        bed.admin.execute("CHECKPOINT")
        workers = {name: pid for name, pid in bed.processes.items() if name.startswith("worker_")}
        before = Reading.of(bed)
        with Memory(workers) as memory:
            seconds, spread_s = _fan_out(bed, items)
        after = Reading.of(bed)
        asked = asked_of_servers(before, after)
        sizes = {name: {"first": one["first"], "peak": one["peak"]} for name, one in memory.told().items()}
        return {
            "at_work": at_work,
            "seconds": round(seconds, 3),
            "spread_s": round(spread_s, 3),
            "items_per_s": round(items / seconds, 1),
            "per_item": {name: round(count / items, 4) for name, count in asked.items()},
            "cpu_s": spent_s(before, after),
            "machine_cpu": machine(before, after),
            "memory_mb": {**sizes, "postgres": {"last": round(shared_once_mb(bed.processes["postgres"]), 1)}},
        }


def _fan_out(bed: Bed, items: int) -> tuple[float, float]:
    """Do one fan-out; return the seconds until the parent's end, and until its items' tasks were there."""
    given = {"template": templates.FAN_OUT, "input": {"items": list(range(items))}}
    told = bed.submitter.ask(move="submit", tasks=[given])
    (task_id,) = [one["id"] for one in told["answer"]["tasks"]]
    bed.drain()
    check(
        value(bed, _FAMILY, task_id),
        {"status": "completed", "items": items, "completed": items},
        "how the fan-out ended",
    )
    return value(bed, _ENDED, told["began"], task_id), value(bed, _SPREAD, told["began"], task_id)
