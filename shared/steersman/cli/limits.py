"""The limits commands: what a project may have at once."""

from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, Project, client
from steersman.errors import Fault, InvalidInput

limits = typer.Typer(no_args_is_help=True, help="Limits of a project: show them, set them.")
NONE = "none"


@limits.command("show")
def show_limits(
    project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """Show what a project may have at once."""
    _tell(client().limits(project), json_output=json_output)


@limits.command("set")
def set_limits(
    running_stages: Annotated[
        str, typer.Option("--running-stages", help="Stages at work at once: a number, or none.")
    ],
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Set what a project may have at once; workers go by it within seconds."""
    _tell(
        client().set_limits(project, {"max_running_stages": _number(running_stages)}), json_output=json_output
    )


def _number(text: str) -> int | None:
    if text == NONE:
        return None
    if not text.isdecimal():
        fault = Fault("--running-stages", f"give a whole number above 0, or {NONE}")
        raise InvalidInput("the limit is not a number", faults=(fault,))
    return int(text)


def _tell(found: dict[str, Any], *, json_output: bool) -> None:
    if json_output:
        show.json(found)
        return
    most = found["max_running_stages"]
    since = show.moment(found["updated_at"]) if found["updated_at"] else ""
    rows = [(found["project"], NONE if most is None else most, since, found["updated_by"] or "")]
    show.rows(("project", "running stages", "since", "set by"), rows, empty="")
