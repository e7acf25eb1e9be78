"""The engine under load on this server: with the history, and in an empty database beside it, in turns."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import redis

from bench.engine.bed import WORKERS, Bed
from bench.engine.children import BenchFailed, start_submitter, start_worker
from bench.engine.meters import cpu_s
from bench.engine.plan import Plan
from bench.engine.servers import Servers as EngineServers
from bench.engine.workload import research_dag
from bench.scale.servers import EMPTY, FULL, Servers
from steersman.db.connection import Database
from steersman.db.migrate import migrate
from steersman.db.roles import AppRole
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.local.postgres import PostgresServer
from steersman.local.redis import start_redis
from steersman.seed import seed
from steersman.tasks import templates

WARM_TASKS = 1000
ROLE = AppRole(password="bench")  # noqa: S106 - of a server that lives as long as the bench, on the loopback
Say = Callable[[str], None]


@dataclass(frozen=True)
class OneDatabase(PostgresServer):
    """A running server seen from one of its databases."""

    database: str = ""

    @property
    def url(self) -> str:
        return self.url_for(self.database)


@dataclass(frozen=True)
class Rate:
    """What one run reached: tasks a second, and CPU seconds of all processes for 1,000 tasks."""

    tasks_per_s: float
    cpu_s: float


def throughput(servers: Servers, tasks: int, rounds: int, say: Say) -> dict[str, Any]:
    """Return what `rounds` runs reached with and without the history, and the medians of their ratios.

    The machine's own speed drifts by more than what is looked for: so the two of a round are compared with each other,
    and they take turns at being the first.
    """
    found: dict[str, list[Rate]] = {EMPTY: [], FULL: []}
    for number in range(rounds):
        for name in (EMPTY, FULL) if number % 2 == 0 else (FULL, EMPTY):
            say(f"{tasks:,} tasks through the engine, {name.replace('_', ' ')}")
            found[name].append(_run(servers, name, Plan(tasks=tasks)))
    speed = {name: [rate.tasks_per_s for rate in rates] for name, rates in found.items()}
    cpu = {name: [rate.cpu_s for rate in rates] for name, rates in found.items()}
    return {
        "tasks": tasks,
        "tasks_per_s": speed,
        "cpu_s_per_1000_tasks": cpu,
        "kept": _ratio(speed),
        "cpu_ratio": _ratio(cpu),
    }


def _ratio(found: Mapping[str, Sequence[float]]) -> float:
    return round(median(full / empty for full, empty in zip(found[FULL], found[EMPTY], strict=True)), 3)


def _run(servers: Servers, name: str, plan: Plan) -> Rate:
    with bed_on(servers, name, plan) as bed:
        bed.load(Plan(tasks=WARM_TASKS), _quietly)
        bed.drain()
        bed.admin.execute("CHECKPOINT")
        before = sum(cpu_s(bed.processes).values())
        times = bed.load(plan, _quietly)
        ended = bed.drain()
        spent = sum(cpu_s(bed.processes).values()) - before
        _check_all_completed(bed, times["began"], plan.tasks)
        return Rate(round(plan.tasks / (ended - times["began"]), 1), round(1000 * spent / plan.tasks, 3))


@contextmanager
def bed_on(servers: Servers, name: str, plan: Plan) -> Iterator[Bed]:
    """Give workers and a submitter on one database of the server, with a cache and queues of their own."""
    here = servers.postgres
    database = OneDatabase(here.folder, here.port, here.identity, here.password, name)
    with ExitStack() as alive:
        folder = Path(alive.enter_context(tempfile.TemporaryDirectory(prefix="steersman-bench-")))
        cache = alive.enter_context(start_redis(folder / "redis"))
        queues = alive.enter_context(start_redis(folder / "queues"))
        made = EngineServers(folder, database, cache, queues, _prepared(database))
        names = [f"worker_{number}" for number in range(1, WORKERS + 1)]
        starting = [start_worker(made, worker, messages=plan.messages, profile=None) for worker in names]
        starting.append(start_submitter(made))
        *workers, submitter = [alive.enter_context(child) for child in starting]
        yield Bed(
            made,
            workers,
            submitter,
            alive.enter_context(made.admin()),
            alive.enter_context(made.queue_client()),
            alive.enter_context(redis.Redis.from_url(cache.url)),
        )


def _check_all_completed(bed: Bed, began: float, wanted: int) -> None:
    query = """
      SELECT count(*) FROM task_histories
      WHERE id >= first_id_at(to_timestamp(%s)) AND created_at >= to_timestamp(%s) AND status = 'completed'
    """
    row = bed.admin.execute(query, [began - 1, began]).fetchone()
    if row is None or row[0] != wanted:
        raise BenchFailed(f"{row and row[0]} of {wanted} tasks completed; try `python -m bench.engine run`")


def _quietly(_: str) -> None:
    pass


def _prepared(postgres: PostgresServer) -> str:
    """Let the functions' role in, publish the engine's template; return the URL for the role."""
    migrate(postgres.url, app_role=ROLE)
    database = Database(postgres.url)
    try:
        seed(database)
        templates.publish(database, DEFAULT_PROJECT_ID, research_dag(), by="bench")
    finally:
        database.close()
    return f"postgresql://{ROLE.name}:{ROLE.password}@{postgres.url.rpartition('@')[2]}"
