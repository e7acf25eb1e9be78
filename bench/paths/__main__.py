"""Measure the engine's other paths: `python -m bench.paths` (make bench-paths), or one of them by its name."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console

from bench.engine.children import BenchFailed
from bench.local_report import about, write
from bench.paths.report import figures
from steersman.local.errors import LocalCloudError

RESULTS = Path(__file__).parents[1] / "results" / "paths.json"
PATHS = ("fan_out", "waiting", "redrive", "flood")
progress = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every path, one after the other, or the one that is named; end with 1 when one cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.paths", description=__doc__)
    parser.add_argument("path", choices=PATHS, nargs="?", help="only this one; keeps no results by itself")
    parser.add_argument(
        "--tasks", type=int, help="fewer of them, for a quick look; keeps no results by itself"
    )
    parser.add_argument("--json", type=Path, help="where the results go")
    given = parser.parse_args(arguments)
    chosen = (given.path,) if given.path else PATHS
    try:
        found = {
            name: import_module(f"bench.paths.{name}").measure(_say, tasks=given.tasks) for name in chosen
        }
    except (BenchFailed, LocalCloudError) as exc:
        progress.print(f"[red]{exc}[/]", highlight=False)
        sys.exit(1)
    reached = figures(found)
    write(reached)
    whole = not given.path and not given.tasks
    if file := given.json or (RESULTS if whole else None):
        told = {figure.name: figure.told() for figure in reached}
        file.write_text(json.dumps({**about(), "figures": told, "paths": found}, indent=2) + "\n")
        progress.print(f"wrote {file}", highlight=False)


def _say(what: str) -> None:
    progress.print(f"[dim]… {what}[/]", highlight=False)


if __name__ == "__main__":
    main()
