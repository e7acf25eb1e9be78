"""One run, from its servers to its findings."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.chaos import report
from bench.chaos.checker import check
from bench.chaos.fleet import Deaths, Fleet
from bench.chaos.history import Finding
from bench.chaos.loader import load
from bench.chaos.run_folder import Run
from bench.chaos.schedule import Schedule
from bench.chaos.servers import Servers
from bench.chaos.storm import Say, Storm
from bench.local_report import about

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0  # longer than a lease, the sweep's patience, and what a submitter's clock may be ahead
ALL_FAILPOINTS_FROM = 1000  # tasks: a shorter run may end before every failpoint was reached


def carry_out(folder: Path, plan: Schedule, say: Say) -> dict[str, Any]:
    """Carry out a schedule with servers and processes below `folder`, check the histories and return the results.

    `say` is told what is happening and how many tasks have ended. The findings are under `findings`, by rule.
    """
    with Servers(folder) as servers:
        run = Run(
            folder=folder,
            seed=plan.seed,
            tasks=len(plan.numbers),
            storm_s=plan.storm_s,
            began=time.monotonic(),
            began_at=time.time(),
            database_url=servers.postgres.url,
            redis_url=servers.redis.url,
            sqs_url=servers.sqs.url,
        )
        run_file = run.save()
        with Fleet(run, run_file) as fleet:
            storm = Storm(run, plan, servers, fleet, say)
            storm.rage()
            left = storm.settle(PATIENCE_S)
        seconds = time.monotonic() - run.began
        say("checking", len(plan.numbers))
        _read_back(run, run_file)
        history = load(run, plan.numbers)
        findings = [*check(history), *_of_the_run(run, fleet.deaths, left)]
        return {
            **_head(run, seconds, settled=not left),
            **report.counts(history, fleet.deaths, storm.happened),
            "unreached_failpoints": report.unreached(fleet.deaths),
            "findings": report.grouped(findings),
        }


def _of_the_run(run: Run, deaths: Deaths, left: list[str]) -> Iterator[Finding]:
    """Say where the run itself fell short: then that nothing else was found means little."""
    for one in left:
        yield Finding(
            one, "everything comes to rest", f"it is left, and for {PATIENCE_S:.0f} s nothing moved"
        )
    if run.tasks >= ALL_FAILPOINTS_FROM and (names := report.unreached(deaths)):
        yield Finding("the run", "every failpoint is reached", f"nothing was killed at {', '.join(names)}")
    for end in deaths.by_themselves:
        yield Finding("the run", "processes die only when they are killed", end)


def _head(run: Run, seconds: float, *, settled: bool) -> dict[str, Any]:
    return {
        **about(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": run.seed,
        "planned_tasks": run.tasks,
        "storm_s": round(run.storm_s, 1),
        "seconds": round(seconds, 1),
        "came_to_rest": settled,
    }


def _read_back(run: Run, run_file: Path) -> None:
    """Have a process of its own ask the API for every task and its events."""
    command = [sys.executable, "-m", "bench.chaos.reader", str(run_file)]
    log = run.folder / "reader.log"
    with log.open("wb") as output:
        done = subprocess.run(
            command, cwd=ROOT, env=run.environment(), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        sys.exit(f"the tasks could not be read back through the API; see {log}")
