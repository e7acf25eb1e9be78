"""How long one thing takes, done many times."""

import time
from collections.abc import Callable
from typing import Any

from bench.local_load import share

UNMEASURED = 20  # so that modules, connections and plans are those of a warm function

Figures = dict[str, dict[str, Any]]


def timed(action: Callable[[], object], count: int) -> dict[str, Any]:
    """Return how long `action` takes, in milliseconds."""
    for _ in range(UNMEASURED):
        action()
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        action()
        taken.append((time.perf_counter() - began) * 1000)
    return {
        "p50_ms": round(share(taken, 0.5), 2),
        "p99_ms": round(share(taken, 0.99), 2),
        "max_ms": round(max(taken), 2),
        "calls": count,
    }
