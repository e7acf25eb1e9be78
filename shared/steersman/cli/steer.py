"""tasks pause, resume, budget and items: how an open task goes on, and the tasks that it started."""

from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, client
from steersman.errors import Fault, InvalidInput


def pause(
    task_id: str,
    reason: Annotated[str | None, typer.Option()] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Let no further stage of a task begin; what runs ends, and its deadline stands still."""
    _told(client().pause_task(task_id, reason), "is paused", json_output=json_output)


def resume(task_id: str, json_output: Annotated[bool, Json] = False) -> None:
    """Let a paused task go on."""
    _told(client().resume_task(task_id), "goes on", json_output=json_output)


def budget(
    task_id: str,
    usd: Annotated[str | None, typer.Option(help="What it may cost in all, in USD.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="How many tokens it may use in all.")] = None,
    deadline: Annotated[
        float | None, typer.Option(min=1, help="Its deadline, in seconds from its creation.")
    ] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Change the budgets or the deadline of an open task; what waited for a budget goes on."""
    given = {"budget_usd": usd, "budget_tokens": tokens, "deadline_s": deadline}
    limits = {name: value for name, value in given.items() if value is not None}
    if not limits:
        fault = Fault("--usd, --tokens, --deadline", "give at least one of them")
        raise InvalidInput("nothing is to change", faults=(fault,))
    _told(client().change_task(task_id, limits), "has new limits", json_output=json_output)


def items(
    task_id: str,
    stage: str,
    status: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List the tasks that a stage started: the items of a fan-out, or a nested task."""
    page = client().started(task_id, stage, status=status, limit=limit, cursor=cursor)
    if json_output:
        show.json(page)
        return
    rows = [
        (
            one["item"],
            one["id"],
            show.status(one["status"]),
            (one["error"] or {}).get("message") or show.brief(one["output"]),
        )
        for one in page["tasks"]
    ]
    show.rows(("item", "task", "status", "what came of it"), rows, empty="the stage has started no tasks")
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")


def _told(task: dict[str, Any], what: str, *, json_output: bool) -> None:
    if json_output:
        show.json(task)
    else:
        show.line(f"{task['id']} {what}: {task['status']}")
