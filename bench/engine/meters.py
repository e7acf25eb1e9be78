"""CPU, memory, WAL and Redis commands: what a run takes of each process and server."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg
import redis

SAMPLE_S = 0.5
SAMPLES_SHOWN = 20
_MB = 1024 * 1024


def cpu_s(processes: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds so far of each process and of its children, those that have ended included."""
    return {name: _tree_s(psutil.Process(pid)) for name, pid in processes.items()}


def _tree_s(root: psutil.Process) -> float:
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # its seconds are among its parent's children's
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def machine_share(before: Mapping[str, float], after: Mapping[str, float], ours_s: float) -> dict[str, float]:
    """Return what share of the machine's CPU time went to the run (`ours_s` seconds), to others, and to nothing.

    A run is worth keeping when others took next to nothing. The bench's own looks count as others'.
    """
    spent = {name: after[name] - before[name] for name in after if not name.startswith("guest")}
    whole = sum(spent.values()) or 1.0
    idle = spent.get("idle", 0.0) + spent.get("iowait", 0.0)
    shares = {"run": ours_s / whole, "others": (whole - idle - ours_s) / whole, "idle": idle / whole}
    return {name: round(max(0.0, value), 3) for name, value in shares.items()}


def shared_once_mb(pid: int) -> float:
    """Return the memory of a process and its children, shared pages counted once (PSS)."""
    root = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in (root, *root.children())) / _MB


class Memory:
    """Samples the resident memory of processes in the background."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}
        self._samples: dict[str, list[tuple[float, float]]] = {name: [] for name in processes}
        self._done = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._sample, name="memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def told(self) -> dict[str, dict[str, Any]]:
        """Return for each process its first, peak and last MB, and [second, MB] samples evenly spread."""
        return {name: _told(samples) for name, samples in self._samples.items()}

    def _sample(self) -> None:
        while True:
            at = time.monotonic() - self._began
            for name, process in self._processes.items():
                if process.is_running():
                    self._samples[name].append((at, process.memory_info().rss / _MB))
            if self._done.wait(SAMPLE_S):
                return


def _told(samples: list[tuple[float, float]]) -> dict[str, Any]:
    sizes = [size for _, size in samples]
    step = max(1, -(-len(samples) // SAMPLES_SHOWN))
    shown = [[round(at, 1), round(size, 1)] for at, size in samples[::step]]
    return {
        "first": round(sizes[0], 1),
        "peak": round(max(sizes), 1),
        "last": round(sizes[-1], 1),
        "samples": shown,
    }


def server_counts(connection: psycopg.Connection, cache: redis.Redis) -> dict[str, float]:
    """Return what the servers have counted so far: WAL bytes and records, commits, Redis commands."""
    found = connection.execute("SELECT wal_bytes, wal_records, wal_fpi, wal_sync FROM pg_stat_wal").fetchone()
    assert found is not None
    lsn = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").fetchone()
    assert lsn is not None
    stats: Any = cache.info("commandstats")
    inside = {"cmdstat_info", "cmdstat_config|resetstat"}
    return {
        "wal_bytes": float(lsn[0]),
        "wal_records": float(found[1]),
        "wal_full_pages": float(found[2]),
        "wal_syncs": float(found[3]),
        "redis_commands": float(sum(one["calls"] for name, one in stats.items() if name not in inside)),
    }
