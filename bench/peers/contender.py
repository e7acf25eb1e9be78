"""One run of a peer: servers of its own, single tasks on the idle system, then many at once."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.engine.meters import cpu_s, machine_share
from bench.local_load import share
from bench.peers.catalogue import Kind
from bench.peers.process import PeerProcess, peer_process
from steersman.local.postgres import start_postgres
from steersman.local.redis import start_redis

WARM_SINGLES = 10


@dataclass(frozen=True, kw_only=True)
class Run:
    """The figures of a run: milliseconds of a single task, CPU seconds by process for 1,000 tasks.

    `others` is the share of the machine's CPU that went to anything else: a run is worth keeping when it is small.
    """

    tasks: int
    tasks_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: dict[str, float]
    others: float

    def told(self) -> dict[str, Any]:
        """Return the run for the results file."""
        return {
            "tasks": self.tasks,
            "tasks_per_s": round(self.tasks_per_s, 1),
            "idle_latency_ms": {"p50": round(self.p50_ms, 2), "p99": round(self.p99_ms, 2)},
            "cpu_s_per_1000_tasks": {name: round(value, 3) for name, value in self.cpu_s.items()},
            "machine_cpu_others": round(self.others, 3),
        }


@dataclass(frozen=True)
class Store:
    """The server that a peer keeps its work in, alone on it."""

    name: str
    pid: int
    addresses: dict[str, str]

    def settle(self) -> None:
        """Write what earlier work left behind, so that it is not counted with what comes."""
        if url := self.addresses.get("PEER_DATABASE_URL"):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")


def measure(kind: Kind, python: Path, *, tasks: int, singles: int) -> Run:
    """Run a peer once and return its figures; raise RunFailed where it does not do what the DAG asks for."""
    with tempfile.TemporaryDirectory(prefix="steersman-peers-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)  # the database server runs under an account of its own
        with (
            _store(kind, folder / kind.store) as store,
            peer_process(kind.name, python, folder, store.addresses) as peer,
        ):
            peer.ask("one", WARM_SINGLES)
            seconds: list[float] = peer.ask("one", singles)["seconds"]
            store.settle()
            return _load(peer, store, tasks, seconds)


def _load(peer: PeerProcess, store: Store, tasks: int, singles: Sequence[float]) -> Run:
    processes = {"peer": peer.pid, store.name: store.pid}
    machine, before = psutil.cpu_times()._asdict(), cpu_s(processes)
    answer = peer.ask("many", tasks)
    spent = {name: after - before[name] for name, after in cpu_s(processes).items()}
    whole = sum(spent.values())
    return Run(
        tasks=tasks,
        tasks_per_s=tasks / answer["seconds"],
        p50_ms=1000 * share(list(singles), 0.5),
        p99_ms=1000 * share(list(singles), 0.99),
        cpu_s={name: 1000 * value / tasks for name, value in {**spent, "total": whole}.items()},
        others=machine_share(machine, psutil.cpu_times()._asdict(), whole)["others"],
    )


@contextmanager
def _store(kind: Kind, folder: Path) -> Iterator[Store]:
    if kind.store == "postgres":
        with start_postgres(folder) as postgres:
            yield Store("postgres", postgres.identity.pid, {"PEER_DATABASE_URL": postgres.url})
    else:
        with start_redis(folder) as redis:
            yield Store("redis", redis.identity.pid, {"PEER_REDIS_URL": redis.url})
