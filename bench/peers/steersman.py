"""Steersman's own runs, by its own benches as programs: the engine, and the whole local cloud."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.peers.contender import Run
from bench.peers.environments import ROOT
from bench.peers.process import RunFailed

BATCH = 100
_LIMIT_S = 1800.0
_STOP_LIMIT_S = 120.0
_LAST_LINES = 15


def engine(*, tasks: int, singles: int) -> Run:
    """Run the engine's handlers once on servers of their own; raise RunFailed when the bench fails."""
    told = _bench("bench.engine", "run", f"--tasks={tasks}", f"--batch={BATCH}", f"--singles={singles}")
    return Run(
        tasks=tasks,
        tasks_per_s=told["tasks_per_s"],
        p50_ms=told["idle_latency_ms"]["p50"],
        p99_ms=told["idle_latency_ms"]["p99"],
        cpu_s=told["cpu_s_per_1000_tasks"],
        others=told["machine_cpu"]["others"],
    )


def cloud(*, tasks: int) -> dict[str, Any]:
    """Pass tasks through a local cloud of its own, each result read over HTTP; return that bench's figures."""
    return _bench("bench.cloud", "run", f"--tasks={tasks}")


def _bench(module: str, *arguments: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="steersman-peers-") as name:
        results, log = Path(name) / "results.json", Path(name) / "log"
        command = [sys.executable, "-m", module, *arguments, f"--json={results}"]
        with log.open("wb") as told:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=told)
        try:
            code = process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise RunFailed(
                f"{module} took more than {_LIMIT_S:.0f} s; run it alone: python -m {module}"
            ) from None
        finally:
            _stop(process)
        if code:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
            raise RunFailed(
                f"python -m {module} {' '.join(arguments)} failed; run it alone. It said:\n{last}"
            )
        figures: dict[str, Any] = json.loads(results.read_text())
        return figures


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()  # it takes its servers down
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
