"""How the system does with a long history: `python -m bench.scale` (`make bench-scale`).

Loads a million finished tasks of six stages with ten million stage logs by COPY into a PostgreSQL of its own (fsync
on), then measures reads at the real handlers, the engine's throughput beside an empty database, and the sweep. Writes
bench/results/scale.json. Takes about 15 minutes and 25 GB of disk, given back at the end.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.engine.children import BenchFailed
from bench.local_report import about, write
from bench.scale.measure import StepFailed, figures_of, measure
from bench.scale.servers import servers
from steersman.local.errors import LocalCloudError

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parents[1] / "results" / "scale.json"
BYTES_A_TASK = 25_000  # tables, indexes and WAL
progress = Console(stderr=True)


def bench(
    tasks: Annotated[int, typer.Option(help="How many finished tasks to load", min=1000)] = 1_000_000,
    reads: Annotated[int, typer.Option(help="How many reads of each kind", min=20)] = 300,
    run: Annotated[int, typer.Option(help="How many tasks go through the engine each time", min=100)] = 5_000,
    keep: Annotated[bool, typer.Option(help="Keep the loaded database for the next time")] = False,
    folder: Annotated[Path, typer.Option(help="Where the servers keep their files")] = ROOT
    / ".local/bench/scale",
    file: Annotated[Path, typer.Option("--json", help="Where the results go")] = RESULTS,
) -> None:
    """Load a long history and measure what it costs."""
    _check_room(folder, tasks)
    with servers(folder, tasks, progress, keep=keep) as ready:
        found = measure(ready, reads, run, say)
    figures = figures_of(found)
    results = {**about(), "figures": {figure.name: figure.told() for figure in figures}, **found}
    file.write_text(json.dumps(results, indent=2) + "\n")
    write(figures)
    progress.print(f"wrote {file}", highlight=False)


def say(what: str) -> None:
    progress.print(f"[dim]… {what}[/]", highlight=False)


def _check_room(folder: Path, tasks: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free, wanted = shutil.disk_usage(folder).free, tasks * BYTES_A_TASK
    if free < wanted and not (folder / "loaded.json").exists():
        raise StepFailed(
            f"{folder} has {free / 1e9:.0f} GB free and {tasks:,} tasks need about {wanted / 1e9:.0f}: "
            "make room, or give --folder or fewer --tasks"
        )


def main() -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(bench)
    try:
        app()
    except (BenchFailed, LocalCloudError, StepFailed) as exc:
        progress.print(f"[red]{exc}[/]", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
