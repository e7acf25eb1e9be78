"""`python -m bench.cloud`: the research DAG through the whole local cloud.

Without arguments it measures three loads three times, single tasks and memory, writes bench/results/cloud.json and
prints tables: about five minutes. `run --tasks N --json FILE` is one load only, for
programs that measure it beside others. Either brings up a local cloud of its own and takes it down again.
"""

import argparse
import json
import signal
import sys
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

from rich.console import Console

from bench.cloud.drive import Read, Stuck
from bench.cloud.measure import Measured, warm_cloud
from bench.cloud.report import write
from bench.local_report import about
from steersman.cli.client import ApiProblem
from steersman.local.errors import LocalCloudError

RESULTS = Path(__file__).parents[1] / "results" / "cloud.json"
RUNS = 3
TASKS = 5000
SINGLE = 40
PRIORITIES = ("medium", "low")
# Every result is read over HTTP and checked, in each of them.
LOADS = {
    "bulk, by pages": ("low", Read.PAGES),
    "standard, by pages": ("medium", Read.PAGES),
    "bulk, one by one": ("low", Read.EACH),
}

AGAIN = (
    "This bench's own local cloud is gone with its tasks. Run it again when nothing else is busy; if it fails the\n"
    "same way, look at a cloud that stays: make up, submit a task with `steersman`, read make logs."
)

_progress = Console(stderr=True)


def main() -> None:
    given = _arguments()
    # So that the cloud is taken down too when another program stops this one.
    signal.signal(signal.SIGTERM, _stopped)
    try:
        results = _once(given) if given.what == "run" else _whole(given.tasks)
    except (Stuck, ApiProblem) as exc:
        sys.exit(f"{exc}\n{AGAIN}")
    except LocalCloudError as exc:
        sys.exit(f"the local cloud did not come up: {exc}\n{exc.advice}\n{AGAIN}")
    target: Path = given.json
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    if given.what == "all":
        write(results, Console())
        print(f"written to {target}")


def _whole(tasks: int) -> Measured:
    with warm_cloud(_say) as cloud:
        runs: dict[str, list[Measured]] = {name: [] for name in LOADS}
        for _ in range(RUNS):
            for name, (priority, read) in LOADS.items():
                runs[name].append(cloud.load(tasks, priority=priority, read=read))
        return {
            **about(),
            "loads": {name: {"median": _median(of_load), "runs": of_load} for name, of_load in runs.items()},
            "latency": cloud.latency(SINGLE),
            "memory": cloud.memory(),
            "cold": cloud.cold,
        }


def _once(given: argparse.Namespace) -> Measured:
    with warm_cloud(_say) as cloud:
        load = cloud.load(given.tasks, priority=given.priority, read=given.read)
        return {
            **about(),
            **load,
            "latency": cloud.latency(SINGLE),
            "memory": cloud.memory(),
            "cold": cloud.cold,
        }


def _median(runs: list[Measured]) -> Measured:
    middle = median(run["tasks_per_s"] for run in runs)
    return next(run for run in runs if run["tasks_per_s"] == middle)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cloud", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("all", "run"), default="all")
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--priority", choices=PRIORITIES, default="low")
    parser.add_argument("--read", type=Read, choices=tuple(Read), default=Read.PAGES)
    parser.add_argument(
        "--json", type=Path, help="where the results go; default of the whole: the repository's"
    )
    given = parser.parse_args()
    if given.what == "run" and given.json is None:
        parser.error("run needs --json FILE: one load is not the repository's result")
    if given.tasks < 1:
        parser.error("--tasks is at least 1")
    given.json = given.json or RESULTS
    return given


def _stopped(*_: Any) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def _say(what: str) -> None:
    _progress.print(f"… {what}", highlight=False)


if __name__ == "__main__":
    main()
