"""Measures one start in this fresh process and prints it as JSON: `python -P probe.py '<what to do>'`.

What to do is a JSON object: `modules` to import ('module' or 'module:attribute', for what loads lazily), then
`libraries` (see `BUILDERS`) or `parts` (attributes of `steersman.bootstrap.parts()`) to build. Nothing connects.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any


class Clock:
    """Says what was spent since the last reading."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """Return CPU and wall milliseconds since the last reading, and memory (RSS) and modules as they are."""
        cpu, wall = time.process_time(), time.perf_counter()
        found = {
            "cpu_ms": (cpu - self._cpu) * 1000,
            "wall_ms": (wall - self._wall) * 1000,
            "rss_mb": resident_mb(),
            "modules": float(len(sys.modules)),
        }
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return found


def resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib would be measured too
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _sqs() -> Any:
    import boto3

    return boto3.client("sqs")


def _redis() -> Any:
    import redis

    return redis.Redis.from_url(os.environ["STEERSMAN_REDIS_URL"])


def _limits() -> Any:
    from limits.storage import RedisStorage

    return RedisStorage(os.environ["STEERSMAN_REDIS_URL"])


# What must be built before the first batch or request, whoever writes the function.
BUILDERS: dict[str, Callable[[], Any]] = {"sqs": _sqs, "redis": _redis, "limits": _limits}


def main(asked: dict[str, list[str]]) -> None:
    clock = Clock()
    for name in asked["modules"]:
        module, _, attribute = name.partition(":")
        found = import_module(module)
        if attribute:
            getattr(found, attribute)
    imported = clock.read()
    built = [BUILDERS[name]() for name in asked.get("libraries", [])]
    if asked.get("parts"):
        parts = import_module("steersman.bootstrap").parts()
        built += [getattr(parts, name) for name in asked["parts"]]
    ready = clock.read()
    sys.stdout.write(json.dumps({"import": imported, "build": ready}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
