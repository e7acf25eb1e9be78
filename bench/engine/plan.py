"""What one run is to do."""

from dataclasses import dataclass
from pathlib import Path

from bench.engine.servers import Fsync


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run: `tasks` submitted `batch` at a time, received up to `messages` at a time; `per_s` paces them.

    `singles` tasks are first done one after the other, on an idle system. `profile` is a folder for a profile of
    each worker.
    """

    tasks: int
    batch: int = 100
    messages: int = 10
    singles: int = 50
    per_s: float | None = None
    fsync: Fsync = "everysec"
    profile: Path | None = None
