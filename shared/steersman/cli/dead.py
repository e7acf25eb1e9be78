"""The dead commands: what failed for good, and what becomes of it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, Project, client
from steersman.errors import Fault, InvalidInput
from steersman.json import loads

dead = typer.Typer(no_args_is_help=True, help="Look at what failed for good; redrive or discard it.")

Stage = Annotated[str | None, typer.Option(help="Of this stage only.")]
Template = Annotated[str | None, typer.Option("--template", "-t", help="Of this template only.")]
Error = Annotated[str | None, typer.Option(help="With this code of error only, as in no_agent.")]
After = Annotated[str | None, typer.Option(help="Failed at this time or later (RFC 3339).")]
Before = Annotated[str | None, typer.Option(help="Failed before this time (RFC 3339).")]


@dead.command("list")
def list_letters(
    status: Annotated[str, typer.Option(help="open, redriven, discarded or all")] = "open",
    stage: Stage = None,
    template: Template = None,
    error: Error = None,
    after: After = None,
    before: Before = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List dead letters, newest first."""
    filters = _filters(stage, template, error, after, before)
    page = client().dead_letters(
        project=project, status=None if status == "all" else status, limit=limit, cursor=cursor, **filters
    )
    if json_output:
        show.json(page)
        return
    rows = [
        (
            one["id"],
            one["stage"],
            f"{one['template']} v{one['template_version']}",
            one["error"].get("code"),
            one["status"],
            show.moment(one["failed_at"]),
        )
        for one in page["dead_letters"]
    ]
    titles = ("dead letter", "stage", "template", "error", "status", "failed")
    show.rows(titles, rows, empty="no dead letters", optional=1)
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")


@dead.command("show")
def show_letter(letter_id: str, json_output: Annotated[bool, Json] = False) -> None:
    """Show a dead letter with what its stage was given, and the log of its attempts."""
    letter = client().dead_letter(letter_id)
    if json_output:
        show.json(letter)
        return
    error = letter["error"]
    about = [
        ("task", letter["task_id"]),
        ("stage", f"{letter['stage']} of {letter['template']} v{letter['template_version']}"),
        ("asks for", f"{letter['capability']} (queue {letter['queue']})"),
        ("error", f"{error.get('code')}: {error.get('message')}"),
        ("status", _decision(letter)),
        ("correlation", letter["correlation_id"]),
        ("input", show.brief(letter["input"]) + (" (edited)" if letter["input_edited"] else "")),
        *((f"result of {name}", show.brief(result)) for name, result in letter["results"].items()),
    ]
    show.rows(("", ""), about, empty="")
    show.out.print()
    lines = [
        (show.moment(one["at"]), one["event"], one["attempt"], show.brief(one["detail"].get("error")))
        for one in letter["lines"]
    ]
    show.rows(("at", "event", "try", "error"), lines, empty="nothing was logged")


@dead.command("redrive")
def redrive(
    letter_id: Annotated[
        str | None, typer.Argument(help="One dead letter; without it, all that pass the filters.")
    ] = None,
    edited: Annotated[
        str | None,
        typer.Option("--input", "-i", help="Another input for the stage, as JSON (one letter only)."),
    ] = None,
    stage: Stage = None,
    template: Template = None,
    error: Error = None,
    after: After = None,
    before: Before = None,
    rate: Annotated[int, typer.Option(min=1, max=1000, help="How many tasks begin in a second.")] = 50,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Only say what would be redriven.")] = False,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Have tasks go on where they failed: one, or all that pass the filters after a look at how many that is."""
    filters = _filters(stage, template, error, after, before)
    if letter_id is not None:
        _refuse_filters(filters, preview)
        _redrive_one(letter_id, edited, json_output=json_output)
        return
    if edited is not None:
        raise _wrong("--input", "is for one dead letter; name it")
    wanted = {"project": project, "rate_per_s": rate, **_given(filters)}
    told = client().redrive_many({**wanted, "preview": True})
    if not json_output:
        _tell(told)
    if preview or not told["letters"]:
        if json_output:
            show.json(told)
        return
    if not yes:
        typer.confirm(f"Redrive {told['letters']:,} dead letters?", abort=True, err=True)
    done = client().redrive_many({**wanted, "preview": False, "expected": told["letters"]})
    if json_output:
        show.json(done)
    else:
        show.line(f"{done['redriven_tasks']:,} tasks go on; {done['left']:,} dead letters are left")


@dead.command("discard")
def discard(
    letter_id: str,
    reason: Annotated[str, typer.Option(help="Why nothing more is done about it.")],
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Decide that nothing more is done about a dead letter."""
    letter = client().discard(letter_id, reason)
    if json_output:
        show.json(letter)
    else:
        show.line(f"{letter['id']} is {letter['status']}")


def _redrive_one(letter_id: str, edited: str | None, *, json_output: bool) -> None:
    body: dict[str, Any] = {}
    if edited is not None:
        try:
            body["input"] = loads(edited)
        except ValueError:
            raise _wrong("--input", 'give it as JSON, as in --input \'{"question": "…"}\'') from None
    letter = client().redrive(letter_id, body)
    if json_output:
        show.json(letter)
    else:
        show.line(f"task {letter['task_id']} goes on at '{letter['stage']}'")


def _refuse_filters(filters: Mapping[str, str | None], preview: bool) -> None:
    for name, value in _given(filters).items():
        raise _wrong(f"--{name.removeprefix('failed_')}", f"'{value}' is a filter for many; leave it out")
    if preview:
        raise _wrong("--preview", "is for many; `dead show` tells of one")


def _tell(told: Mapping[str, Any]) -> None:
    versions = [
        (f"{one['template']} v{one['template_version']}", one["letters"]) for one in told["by_version"]
    ]
    show.rows(("template", "dead letters"), versions, empty="no open dead letter passes the filters")
    if not told["letters"]:
        return
    show.out.print()
    show.rows(
        ("error", "dead letters"), [(one["error"], one["letters"]) for one in told["by_error"]], empty=""
    )
    show.line(
        f"\n{told['letters']:,} dead letters of {told['tasks']:,} tasks, usually "
        f"{float(told['estimated_cost_usd']):.4f} USD; the last begins after {told['seconds']:.0f} s"
    )


def _decision(letter: Mapping[str, Any]) -> str:
    who = f" by {letter['decided_by']}" if letter["decided_by"] else ""
    why = f": {letter['reason']}" if letter["reason"] else ""
    return f"{letter['status']}{who}{why}"


def _filters(
    stage: str | None, template: str | None, error: str | None, after: str | None, before: str | None
) -> dict[str, str | None]:
    return {
        "stage": stage,
        "template": template,
        "error": error,
        "failed_after": after,
        "failed_before": before,
    }


def _given(filters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value is not None}


def _wrong(field: str, reason: str) -> InvalidInput:
    return InvalidInput("the command cannot be done", faults=(Fault(field, reason),))
