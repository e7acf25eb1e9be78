"""up, down, status, logs, clean, migrate, seed: the local cloud."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from steersman.cli import show
from steersman.cli.context import Json, cloud, root
from steersman.local.endpoints import NAME_PREFIX, Endpoints
from steersman.local.steps import Step

if TYPE_CHECKING:
    from steersman.tasks.machine_making import MachineMaking

FOLLOW_S = 1.0
STATES = {"running": "green", "external": "green", "stopped": "dim", "crashed": "bold red"}


class StepsOnScreen:
    """Draws steps as they run: a spinner and the time, then a tick and what was done."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or show.out
        self._began: dict[str, float] = {}
        self._live: Live | None = None

    def __enter__(self) -> "StepsOnScreen":
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, refresh_per_second=8, transient=True, get_renderable=self._running
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def started(self, step: str) -> None:
        self._began[step] = time.monotonic()

    def finished(self, step: str, seconds: float, detail: str) -> None:
        self._ended(step, Text("✓", "green"), seconds, detail)

    def failed(self, step: str, seconds: float, error: BaseException) -> None:  # noqa: ARG002 - shown at the end
        self._ended(step, Text("✗", "bold red"), seconds, "failed")

    def _ended(self, step: str, sign: Text, seconds: float, detail: str) -> None:
        self._began.pop(step, None)
        self._console.print(Text.assemble("  ", sign, f" {step:<10} {seconds:6.1f} s  ", (detail, "dim")))

    def _running(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for step, began in list(self._began.items()):
            table.add_row(" ", Spinner("dots"), f"{step:<10} {time.monotonic() - began:6.1f} s")
        return table


def start(console: Console | None = None) -> Endpoints:
    """Bring the local cloud up with its schema and seed, drawing the steps; return its endpoints."""
    with StepsOnScreen(console) as screen:
        return cloud().up(
            screen,
            extra=[
                Step("migrate", _migrate, needs=("database",)),
                Step("seed", _seed, needs=("migrate", "deploy")),
            ],
        )


def up(json_output: Annotated[bool, Json] = False) -> None:
    """Start the local cloud and deploy the stack into it.

    The schema is brought up to date and seeded. Harmless to repeat: what runs is left running, what was killed is
    started again, what changed is deployed.
    """
    began = time.monotonic()
    endpoints = start(show.err if json_output else show.out)
    if json_output:
        show.json({"api_url": endpoints.api_url, "seconds": round(time.monotonic() - began, 1)})
        return
    show.out.print(f"\nThe local cloud is up ({time.monotonic() - began:.1f} s).")
    show.out.print(f"  API    {endpoints.api_url}/v1/health")
    show.out.print('  ask    .venv/bin/steersman ask "What is a stage?"')
    show.out.print("  stop   make down")


def down() -> None:
    """Stop what `up` started; documents and tasks stay."""
    with StepsOnScreen() as screen:
        cloud().down(screen)
    show.line(f"The local cloud is down; documents and tasks are kept in {_near(cloud().folder)}.")


def clean() -> None:
    """Stop the local cloud and delete everything it holds."""
    with StepsOnScreen() as screen:
        cloud().clean(screen)
    show.out.print("The local cloud and all it held are gone.")


def status(json_output: Annotated[bool, Json] = False) -> None:
    """Show what runs, where, and how much memory it takes."""
    parts = cloud().status()
    if json_output:
        show.json([{**vars(part), "log": str(part.log) if part.log else None} for part in parts])
        return
    rows = [
        (
            part.part,
            Text(part.state, STATES.get(part.state, "")),
            part.address,
            part.pid,
            f"{part.memory_mb:.0f} MB" if part.memory_mb else "",
            _near(part.log) if part.log else "",
        )
        for part in parts
    ]
    show.rows(("part", "state", "address", "pid", "memory", "log"), rows, empty="", optional=1)
    states = {part.state for part in parts}
    if "crashed" in states:
        show.line("\nWhat crashed is repaired by: make up")
    elif "running" in states:
        show.line(f"\nAPI  {cloud().endpoints().api_url}/v1/health")
    else:
        show.line("\nStart it with: make up")


def logs(
    part: Annotated[
        str | None, typer.Argument(help="database, cache, cloud, deploy, …; default: the functions")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")] = False,
    lines: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
) -> None:
    """Print the functions' logs, or those of a part."""
    if part is not None:
        sys.stdout.write(cloud().logs(part, lines) + "\n")
        return
    after, seen = 0, set[tuple[int, str, str]]()
    while True:
        for line in cloud().function_logs(after_ms=after)[-lines:]:
            if line not in seen:
                seen.add(line)
                after = max(after, line[0])
                sys.stdout.write(f"{line[1].rpartition('/')[2]}  {line[2].rstrip()}\n")
        seen = {line for line in seen if line[0] >= after}
        if not follow:
            return
        sys.stdout.flush()
        time.sleep(FOLLOW_S)


def migrate() -> None:
    """Bring the database's schema to the newest revision."""
    show.out.print(_migrate())


def seed() -> None:
    """Put the default templates and agents into the database. Harmless to repeat."""
    show.out.print(_seed())


def _near(path: Path) -> str:
    """Return a path as short as it can be said in the repository."""
    return str(path.relative_to(root()) if path.is_relative_to(root()) else path)


def _migrate() -> str:
    from steersman.db.migrate import migrate as run

    done: list[str] = []
    revision = run(_database_url(), progress=done.append)
    return f"schema {revision}" + (f", {len(done)} changes" if done else ", nothing to do")


def _seed() -> str:
    from steersman.db.connection import Database
    from steersman.seed import seed as run

    database = Database(_database_url())
    try:
        new = run(database, making=_making())
    finally:
        database.close()
    return f"{new['templates']} templates, {new['agents']} agents new"


def _making() -> "MachineMaking | None":
    """Return what makes the state machines of templates, or None before a deployment."""
    from steersman.aws.machines import StateMachines
    from steersman.local.deployment import client
    from steersman.tasks.machine_making import MachineMaking

    endpoints = cloud().endpoints()
    role = endpoints.machine_role
    if not role:
        return None

    def machines() -> StateMachines:
        return StateMachines(client("stepfunctions", endpoints.cloud_port), prefix=NAME_PREFIX, role_arn=role)

    return MachineMaking(machines, endpoints.queue_prefix)


def _database_url() -> str:
    return str(cloud().endpoints().database_url)
