"""Everything that is measured on the loaded servers, and the figures with their aims."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.local_report import Figure
from bench.scale.load import prepare
from bench.scale.open_work import SHAPES, OpenTasks
from bench.scale.servers import Servers
from bench.scale.throughput import throughput

P99_MS = 100.0  # at most, at the handler
KEPT = 0.9  # of the throughput of an empty database, at least
SWEEP_S = 1.0  # of database time, at most
SWEEPS = 3
ROUNDS = 8
ROOT = Path(__file__).parents[2]
Say = Callable[[str], None]


class StepFailed(Exception):
    """A step of the bench did not end well; the message says what to look at."""


def measure(servers: Servers, reads: int, tasks: int, say: Say) -> dict[str, Any]:
    """Return all that was found: reads, throughput (`tasks` a run), the analytics after it, sweeps."""
    say(f"reads at the handlers, {reads} of each kind")
    found: dict[str, Any] = {"loaded": servers.loaded, "reads": _child(servers, "reads", reads)}
    found["throughput"] = throughput(servers, tasks, ROUNDS, say)
    say("the analytics again, now with the tasks of these runs")
    found["reads"] |= {
        f"{name}_after_load": taken for name, taken in _child(servers, "analytics", reads).items()
    }
    found["sweeps"] = _sweeps(servers, say)
    return found


def figures_of(found: dict[str, Any]) -> list[Figure]:
    """Return the figures of what `measure` found."""
    loaded = found["loaded"]
    figures = [
        Figure("loaded_tasks", loaded["rows"]["task_histories"], "tasks"),
        Figure("loaded_stage_logs", loaded["rows"]["task_stage_logs"], "lines"),
        Figure("copy", loaded["copy_s"], "s"),
        Figure("copy_rate", loaded["rows_per_s"], "rows/s"),
        Figure("vacuum_analyze", loaded["vacuum_s"], "s"),
        Figure("tables", sum(loaded["tables_mb"].values()), "MB"),
        Figure("indexes", sum(loaded["indexes_mb"].values()), "MB"),
    ]
    for name, taken in found["reads"].items():
        figures.append(Figure(f"{name}_p99", taken["p99_ms"], "ms", at_most=P99_MS))
    figures.append(Figure("throughput_kept", found["throughput"]["kept"], "of empty", at_least=KEPT))
    figures.append(Figure("throughput_cpu", found["throughput"]["cpu_ratio"], "of empty"))
    for name, taken in found["sweeps"].items():
        slowest = max(sweep["database_s"] for sweep in taken)
        figures.append(Figure(f"sweep_{name}", slowest, "s", at_most=SWEEP_S))
    return figures


def _sweeps(servers: Servers, say: Say) -> dict[str, Any]:
    """Sweep over 100,000 open stages: all well, all lost, all past their deadline."""
    found = {}
    for shape in SHAPES:
        say(f"sweeps over 100,000 open stages of {shape.tasks:,} tasks")
        tasks = OpenTasks(servers.full, prepare(servers.full), shape)
        try:
            tasks.add()
            found[f"{shape.name}_all_well"] = _child(servers, "sweeps", SWEEPS)
            tasks.lose()
            found[f"{shape.name}_all_lost"] = _child(servers, "sweeps", SWEEPS)
            tasks.expire()
            found[f"{shape.name}_all_overdue"] = _child(servers, "sweeps", SWEEPS)
        finally:
            tasks.remove()
    return found


def _child(servers: Servers, step: str, count: int) -> Any:
    """Run a step in a process of its own and return what it found; raise StepFailed."""
    log = servers.folder / f"{step}.log"
    with log.open("w") as errors:
        done = subprocess.run(
            [sys.executable, "-m", f"bench.scale.{step}", str(count)],
            cwd=ROOT,
            env=servers.environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode:
        last = "\n".join(log.read_text().splitlines()[-5:])
        raise StepFailed(f"{step} failed; run again with --keep and read {log}:\n{last}")
    return json.loads(done.stdout)
