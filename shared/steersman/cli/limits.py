"""The limits commands: what a project may have at once and spend in a day."""

import re
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
    """Show what a project may have at once and spend in a day, and what it spent today."""
    _tell(client().limits(project), json_output=json_output)


@limits.command("set")
def set_limits(
    running_stages: Annotated[
        str | None, typer.Option("--running-stages", help="Stages at work at once: a number, or none.")
    ] = None,
    usd_per_day: Annotated[
        str | None, typer.Option("--usd-per-day", help="USD in a day (UTC): a number, or none.")
    ] = None,
    tokens_per_day: Annotated[
        str | None, typer.Option("--tokens-per-day", help="Tokens in a day (UTC): a number, or none.")
    ] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Change the limits that are named; the others stay. Workers go by them within seconds."""
    given = {
        "max_running_stages": _whole("--running-stages", running_stages),
        "usd_per_day": _usd("--usd-per-day", usd_per_day),
        "tokens_per_day": _whole("--tokens-per-day", tokens_per_day),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        reason = "name a limit: --running-stages, --usd-per-day or --tokens-per-day"
        raise InvalidInput("nothing is to change", faults=(Fault("limits set", reason),))
    known = {} if len(changes) == len(given) else client().limits(project)
    wanted = {name: changes.get(name, known.get(name)) for name in given}
    limits = {name: None if value == NONE else value for name, value in wanted.items()}
    _tell(client().set_limits(project, limits), json_output=json_output)


def _whole(option: str, text: str | None) -> int | str | None:
    """Return a whole number, NONE, or None where the option is not given."""
    if text is None or text == NONE:
        return text
    if not (text.isascii() and text.isdecimal()):
        raise _refused(option, f"give a whole number above 0, or {NONE}")
    return int(text)


def _usd(option: str, text: str | None) -> str | None:
    """Return an amount as it was written, NONE, or None where the option is not given."""
    if text is None or text == NONE:
        return text
    if not re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        raise _refused(option, f"give an amount above 0 like 12.50, or {NONE}")
    return text


def _refused(option: str, reason: str) -> InvalidInput:
    return InvalidInput("the limit is not a number", faults=(Fault(option, reason),))


def _tell(found: dict[str, Any], *, json_output: bool) -> None:
    if json_output:
        show.json(found)
        return
    today = found["today"]
    rows = [
        ("stages at work at once", _limit(found["max_running_stages"]), ""),
        ("USD a day", _limit(found["usd_per_day"]), today["usd"]),
        ("tokens a day", _limit(found["tokens_per_day"]), f"{today['tokens']:,}"),
    ]
    show.rows((f"limit of {found['project']}", "at most", "spent today"), rows, empty="")
    if found["waiting_stages"]:
        until = show.moment(today["until"])
        show.out.print(f"{found['waiting_stages']:,} stages wait for a budget, until {until} or a higher one")
    if found["updated_by"]:
        show.out.print(f"set by {found['updated_by']} at {show.moment(found['updated_at'])}", style="dim")


def _limit(value: Any) -> str:
    return NONE if value is None else f"{value:,}" if isinstance(value, int) else str(value)
