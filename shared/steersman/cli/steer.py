"""tasks pause, resume, budget and items: what is done to open tasks."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, client
from steersman.errors import Fault, InvalidInput


def pause(
    task_id: str,
    reason: Annotated[str | None, typer.Option(help="Why, for who reads the task.")] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Let no further stage of a task begin; what runs ends, and its deadline stands still."""
    _told(client().pause_task(task_id, reason), "is paused", json_output)


def resume(task_id: str, json_output: Annotated[bool, Json] = False) -> None:
    """Let a paused task go on."""
    _told(client().resume_task(task_id), "goes on", json_output)


def budget(
    task_id: str,
    usd: Annotated[str | None, typer.Option(help="What it may cost in all, in USD.")] = None,
    tokens: Annotated[int | None, typer.Option(help="How many tokens it may take in all.")] = None,
    deadline: Annotated[
        float | None, typer.Option(help="Seconds from its creation to the end that it must keep.")
    ] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Change what an open task may cost, or when it must end; what waited for that goes on."""
    given = {"budget_usd": usd, "budget_tokens": tokens, "deadline_s": deadline}
    constraints = {name: value for name, value in given.items() if value is not None}
    if not constraints:
        fault = Fault("--usd, --tokens, --deadline", "give at least one of them")
        raise InvalidInput("there is nothing to change", faults=(fault,))
    task = client().change_task(task_id, constraints)
    limits = ", ".join(f"{name} {value}" for name, value in task["constraints"].items())
    _told(task, f"is {task['status']}: {limits}", json_output)


def items(
    task_id: str,
    stage: str,
    status: Annotated[str | None, typer.Option(help="Those of this status only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List the tasks that a fan-out or a nested task started, by item."""
    page = client().started_tasks(task_id, stage, status=status, limit=limit, cursor=cursor)
    if json_output:
        show.json(page)
        return
    rows = [
        (
            one["item"],
            one["id"],
            show.status(one["status"]),
            (one["error"] or {}).get("message"),
            show.brief(one["output"]),
        )
        for one in page["tasks"]
    ]
    show.rows(("item", "task", "status", "error", "output"), rows, empty="no tasks", optional=1)
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")


def _told(task: Mapping[str, Any], words: str, json_output: bool) -> None:
    if json_output:
        show.json(task)
    else:
        show.line(f"{task['id']} {words}")


COMMANDS: dict[str, Callable[..., None]] = {
    "pause": pause,
    "resume": resume,
    "budget": budget,
    "items": items,
}
