"""The command line of the engine's bench."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.engine.children import BenchFailed
from bench.engine.plan import Plan
from bench.engine.run import run
from bench.engine.series import measure
from bench.local_report import about, write
from steersman.local.errors import LocalCloudError

RESULTS = Path(__file__).parents[1] / "results" / "engine.json"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
progress = Console(stderr=True)


@app.callback(invoke_without_command=True)
def everything(
    context: typer.Context,
    share: Annotated[
        float, typer.Option(help="A part of every run's tasks; keeps no results by itself")
    ] = 1.0,
    file: Annotated[Path | None, typer.Option("--json", help="Where the results go")] = None,
) -> None:
    """Measure the engine: three runs each with batches of 10 and 100, 1,000 and 100,000 tasks, and a paced run."""
    if context.invoked_subcommand:
        return
    found = measure(say, share=share)
    write(found["figures"])
    if file := file or (RESULTS if share == 1.0 else None):
        figures = {figure.name: figure.told() for figure in found["figures"]}
        file.write_text(json.dumps({**about(), "figures": figures, "runs": found["runs"]}, indent=2) + "\n")
        progress.print(f"wrote {file}", highlight=False)


@app.command("run")
def one_run(
    tasks: Annotated[int, typer.Option(help="How many tasks to submit", min=1)] = 10_000,
    batch: Annotated[int, typer.Option(help="How many tasks a request carries", min=1, max=1000)] = 100,
    messages: Annotated[int, typer.Option(help="How many messages a worker takes at once", min=1)] = 10,
    singles: Annotated[int, typer.Option(help="How many tasks one after the other, before", min=0)] = 50,
    per_s: Annotated[float | None, typer.Option(help="Tasks a second; as many as go if not given")] = None,
    fsync: Annotated[str, typer.Option(help="The queues' appendfsync: everysec or always")] = "everysec",
    profile: Annotated[
        Path | None, typer.Option(help="A folder for a cProfile file (CPU time) of each worker")
    ] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Do one run and print its figures as JSON."""
    plan = Plan(
        tasks=tasks, batch=batch, messages=messages, singles=singles, per_s=per_s,
        fsync="always" if fsync == "always" else "everysec", profile=profile,
    )  # fmt: skip
    figures = {**about(), **run(plan, say)}
    text = json.dumps(figures, indent=2)
    if file:
        file.write_text(text + "\n")
    print(text)


def say(what: str) -> None:
    progress.print(f"[dim]… {what}[/]", highlight=False)


def main() -> None:
    try:
        app()
    except (BenchFailed, LocalCloudError) as exc:
        progress.print(f"[red]{exc}[/]", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
