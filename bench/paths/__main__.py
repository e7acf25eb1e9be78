"""Measure one path: `python -m bench.paths flood`. Its part of the results is printed, or written with --json."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console

from bench.engine.children import BenchFailed
from steersman.local.errors import LocalCloudError

progress = Console(stderr=True)
PATHS = ("flood",)


def main() -> None:
    """Measure the path that is named and end with 1 when it cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.paths", description=__doc__)
    parser.add_argument("path", choices=PATHS)
    parser.add_argument("--tasks", type=int, help="fewer of them, for a quick look")
    parser.add_argument("--json", type=Path, help="write the results there instead of printing them")
    given = parser.parse_args()
    try:
        found = import_module(f"bench.paths.{given.path}").measure(_say, tasks=given.tasks)
    except (BenchFailed, LocalCloudError) as exc:
        progress.print(f"[red]{exc}[/]", highlight=False)
        sys.exit(1)
    text = json.dumps({given.path: found}, indent=2)
    if given.json:
        given.json.write_text(text + "\n")
    else:
        print(text)


def _say(what: str) -> None:
    progress.print(f"[dim]… {what}[/]", highlight=False)


if __name__ == "__main__":
    main()
