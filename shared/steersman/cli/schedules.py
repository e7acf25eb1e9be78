"""The schedules commands: what becomes a task by the clock."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.client import Client
from steersman.cli.context import Json, Project, client
from steersman.cli.files import read_json
from steersman.errors import Fault, InvalidInput
from steersman.json import loads

schedules = typer.Typer(no_args_is_help=True, help="Create, list, read, pause, run and delete schedules.")

Name = Annotated[str, typer.Argument(help="The schedule's name, or its id.")]


@schedules.command("create")
def create_schedule(
    name: Annotated[str, typer.Argument(help="Lower case, digits, '-' and '_'; unique in the project.")],
    template: Annotated[str, typer.Option("--template", "-t", help="What to run.")],
    task_input: Annotated[str | None, typer.Option("--input", "-i", help="Its input as JSON.")] = None,
    input_file: Annotated[Path | None, typer.Option(exists=True, help="Its input as a JSON file.")] = None,
    cron: Annotated[str | None, typer.Option(help="Five fields, as in '0 2 * * *'.")] = None,
    rate: Annotated[str | None, typer.Option(help="As in '15 minutes', '1 hour', '7 days'.")] = None,
    timezone: Annotated[str, typer.Option(help="The IANA time zone of --cron.")] = "UTC",
    version: Annotated[int | None, typer.Option(min=1, help="Default: the newest at each time.")] = None,
    priority: Annotated[str, typer.Option()] = "medium",
    label: Annotated[list[str] | None, typer.Option(help="key:value, for each of its tasks.")] = None,
    overlap: Annotated[str, typer.Option(help="allow, or skip while the last task is open.")] = "allow",
    catch_up: Annotated[str, typer.Option(help="one task for times missed, or none.")] = "one",
    paused: Annotated[bool, typer.Option("--paused", help="Create it paused.")] = False,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Have a template become a task at the times of --cron, or at a --rate."""
    body = {
        "name": name,
        "project": project,
        "template": template,
        "template_version": version,
        "input": _input(task_input, input_file),
        "cron": cron,
        "rate": rate,
        "timezone": timezone,
        "priority": priority,
        "labels": _labels(label or []),
        "overlap": overlap,
        "catch_up": catch_up,
        "paused": paused,
    }
    _show(client().create_schedule(body), json_output=json_output)


@schedules.command("list")
def list_schedules(
    template: Annotated[str | None, typer.Option("--template", "-t")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List schedules by name."""
    page = client().schedules(project=project, template=template, limit=limit, cursor=cursor)
    if json_output:
        show.json(page)
        return
    rows = [
        (one["name"], one["template"], _when(one), _next(one), _sign(one), _moment(one["last_at"]))
        for one in page["schedules"]
    ]
    show.rows(
        ("schedule", "template", "when", "next", "trouble", "last"),
        rows,
        empty="no schedules; try: steersman schedules create --help",
        optional=1,
    )
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")


@schedules.command("show")
def show_schedule(
    name: Name, project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """Show a schedule with its next five times."""
    api = client()
    _show(api.schedule(_id(api, name, project), project), json_output=json_output)


@schedules.command("pause")
def pause_schedule(
    name: Name, project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """Pause a schedule: it makes no task until it is resumed."""
    _change(name, project, {"paused": True}, json_output=json_output)


@schedules.command("resume")
def resume_schedule(
    name: Name, project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """Let a paused schedule go on at its next time; none is made up for."""
    _change(name, project, {"paused": False}, json_output=json_output)


@schedules.command("run")
def run_schedule(
    name: Name, project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """Make a task of a schedule now; its times stay as they are."""
    api = client()
    task = api.run_schedule(_id(api, name, project), project)
    if json_output:
        show.json(task)
    else:
        show.out.print(task["id"])


@schedules.command("delete")
def delete_schedule(name: Name, project: Annotated[str, Project] = "default") -> None:
    """Delete a schedule; the tasks that it made stay."""
    api = client()
    api.delete_schedule(_id(api, name, project), project)
    show.out.print(f"{name} is deleted")


def _change(name: str, project: str, changes: Mapping[str, Any], *, json_output: bool) -> None:
    api = client()
    _show(api.change_schedule(_id(api, name, project), project, changes), json_output=json_output)


def _id(api: Client, name: str, project: str) -> str:
    """Return the id of the schedule with a name; what is no known name is taken for an id."""
    found = api.schedules(project=project, name=name)["schedules"]
    return str(found[0]["id"]) if found else name


def _show(schedule: Mapping[str, Any], *, json_output: bool) -> None:
    if json_output:
        show.json(schedule)
        return
    version = schedule["template_version"] or "the newest version"
    rows = [
        ("schedule", f"{schedule['name']}{' (paused)' if schedule['paused'] else ''}"),
        ("id", schedule["id"]),
        ("template", f"{schedule['template']}, {version}"),
        ("when", _when(schedule)),
        *(("" if place else "next", show.moment(time)) for place, time in enumerate(schedule["next_times"])),
        ("last", _moment(schedule["last_at"])),
        ("last task", schedule["last_task_id"]),
        ("trouble", _trouble(schedule)),
    ]
    show.rows(("", ""), [row for row in rows if row[1]], empty="")


def _when(schedule: Mapping[str, Any]) -> str:
    return f"{schedule['cron']} {schedule['timezone']}" if schedule["cron"] else f"every {schedule['rate']}"


def _next(schedule: Mapping[str, Any]) -> str:
    return "paused" if schedule["paused"] else _moment(schedule["next_at"])


def _moment(time: str | None) -> str:
    return show.moment(time) if time else ""


def _sign(schedule: Mapping[str, Any]) -> str:
    """Return in a word whether the last time came to nothing; `show` tells why."""
    if schedule["last_error"]:
        return str(schedule["last_error"]["code"])
    return "left out" if schedule["last_skip"] else ""


def _trouble(schedule: Mapping[str, Any]) -> str:
    """Return why the last time, or times since the last task, came to nothing."""
    if error := schedule["last_error"]:
        faults = "; ".join(f"{fault['field']}: {fault['reason']}" for fault in error["errors"])
        return f"{show.moment(error['due_at'])} {error['message']}{f' ({faults})' if faults else ''}"
    if skip := schedule["last_skip"]:
        return f"{show.moment(skip['due_at'])} left out: {skip['reason']}"
    return ""


def _input(text: str | None, file: Path | None) -> Any:
    if file is not None and text is None:
        return read_json(file)
    try:
        return loads(text if text is not None and file is None else "")
    except ValueError:
        reason = 'give the input of its tasks as JSON, as in --input \'{"question": "…"}\', or --input-file'
        raise InvalidInput("the schedule has no input", faults=(Fault("--input", reason),)) from None


def _labels(given: list[str]) -> dict[str, str]:
    wrong = [one for one in given if ":" not in one]
    if wrong:
        raise InvalidInput(
            "a label is not valid", faults=(Fault("--label", f"'{wrong[0]}' is not key:value"),)
        )
    return dict(one.split(":", 1) for one in given)
