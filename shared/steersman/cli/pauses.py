"""The pauses commands: templates and queues of a project that stand still."""

from typing import Annotated

import typer

from steersman.cli import show
from steersman.cli.context import Json, Project, client

pauses = typer.Typer(no_args_is_help=True, help="Templates and queues that stand still: list, add, end.")
Scope = Annotated[str, typer.Argument(help="template or queue")]


@pauses.command("list")
def list_pauses(
    project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """List what is paused."""
    found = client().pauses(project)
    if json_output:
        show.json(found)
        return
    rows = [
        (one["scope"], one["name"], one["by"], show.moment(one["created_at"]), one["reason"])
        for one in found["pauses"]
    ]
    show.rows(("", "name", "by", "since", "reason"), rows, empty="nothing is paused")


@pauses.command("add")
def add_pause(
    scope: Scope,
    name: str,
    reason: Annotated[str | None, typer.Option()] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Let no stage of a template, or on a queue, begin; what runs ends."""
    order = {"project": project, "scope": scope, "name": name, **({"reason": reason} if reason else {})}
    found = client().pause(order)
    if json_output:
        show.json(found)
    else:
        show.line(f"{scope} {name} is paused; to go on: steersman pauses end {scope} {name}")


@pauses.command("end")
def end_pause(scope: Scope, name: str, project: Annotated[str, Project] = "default") -> None:
    """Let a paused template or queue go on."""
    client().resume(scope, name, project)
    show.line(f"{scope} {name} goes on")
