"""pauses list, add and end: templates and queues that stand still."""

from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, Project, client

pauses = typer.Typer(no_args_is_help=True, help="Let templates or queues of a project stand still.")

Scope = Annotated[str, typer.Argument(help="template or queue")]
Name = Annotated[str, typer.Argument(help="Which one.")]


@pauses.command("list")
def list_pauses(
    project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """List what is paused, since when, by whom and why."""
    found = client().pauses(project)
    if json_output:
        show.json(found)
        return
    rows = [
        (one["scope"], one["name"], show.moment(one["created_at"]), one["by"], one["reason"])
        for one in found["pauses"]
    ]
    show.rows(("what", "name", "since", "by", "why"), rows, empty="nothing is paused")


@pauses.command("add")
def add(
    scope: Scope,
    name: Name,
    reason: Annotated[str | None, typer.Option(help="Why, for who looks at the list.")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Pause a template or a queue: within seconds none of its stages begins; what runs ends."""
    order: dict[str, Any] = {"project": project, "scope": scope, "name": name}
    done = client().pause({**order, **({"reason": reason} if reason else {})})
    if json_output:
        show.json(done)
    else:
        show.line(f"{scope} '{name}' is paused; end it with: .venv/bin/steersman pauses end {scope} {name}")


@pauses.command("end")
def end(scope: Scope, name: Name, project: Annotated[str, Project] = "default") -> None:
    """Let a paused template or queue go on."""
    client().end_pause(scope, name, project)
    show.line(f"{scope} '{name}' goes on")
