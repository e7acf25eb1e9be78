"""CPU seconds of the local cloud, by what its processes are for."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping

import psutil

from steersman.local.cloud import LocalCloud

_NAME = "AWS_LAMBDA_FUNCTION_NAME"
_PREFIX = "steersman-local-"
_SERVERS = {"database": "postgresql", "cache": "redis"}
EMULATOR = "emulator"
CLIENT = "client"
ENDED = "ended"


class Processes:
    """Reads what every process of a running local cloud has used; `client` is this process."""

    def __init__(self, cloud: LocalCloud) -> None:
        pids = {part.part: part.pid for part in cloud.status()}
        self._servers = {part: psutil.Process(pid) for part, pid in pids.items() if pid is not None}

    def cpu_seconds(self) -> dict[str, float]:
        """Return CPU seconds since each process began: a function's by its name, servers' with their children."""
        found: dict[str, float] = {CLIENT: time.process_time()}
        for part, process in self._servers.items():
            if part == "cloud":
                found |= _of_cloud(process)
            else:
                found[_SERVERS[part]] = _own(process) + _reaped(process) + sum(map(_own, _children(process)))
        return found

    def workers(self) -> dict[str, int]:
        """Return how many processes each function has."""
        return dict(Counter(_function(child) for child in _children(self._servers["cloud"])))

    def memory_mb(self) -> dict[str, float]:
        """Return the memory of emulator and functions, shared pages counted once (PSS)."""
        cloud = self._servers["cloud"]
        found = defaultdict(float, {EMULATOR: _pss_mb(cloud)})
        for child in _children(cloud):
            found[_function(child)] += _pss_mb(child)
        return dict(found)


def between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return what was used between two readings, largest first."""
    used = {name: after[name] - before.get(name, 0.0) for name in after}
    return dict(sorted(used.items(), key=lambda item: -item[1]))


def machine_cpu_seconds() -> float:
    """Return the CPU seconds that the whole machine has used so far, whoever used them."""
    times = psutil.cpu_times()
    return sum(times[:8]) - times.idle - getattr(times, "iowait", 0.0)


def _of_cloud(process: psutil.Process) -> dict[str, float]:
    found = defaultdict(float, {EMULATOR: _own(process), ENDED: _reaped(process)})
    for child in _children(process):
        found[_function(child)] += _own(child)
    return dict(found)


def _function(process: psutil.Process) -> str:
    try:
        return process.environ().get(_NAME, ENDED).removeprefix(_PREFIX)
    except psutil.Error:
        return ENDED


def _own(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _reaped(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.children_user + times.children_system)


def _pss_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:
        return 0.0


def _children(process: psutil.Process) -> list[psutil.Process]:
    return process.children(recursive=True)
