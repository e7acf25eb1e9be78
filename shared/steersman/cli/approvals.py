"""approvals list and answer: what stages ask of people."""

from typing import Annotated, Any

import typer

from steersman.cli import show, telling
from steersman.cli.context import Json, Project, client
from steersman.errors import Fault, InvalidInput
from steersman.json import loads

approvals = typer.Typer(no_args_is_help=True, help="See and answer what stages ask of people.")


@approvals.command("list")
def list_approvals(
    task: Annotated[str | None, typer.Option(help="Of this task only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List what waits for an answer, oldest tasks first."""
    page = client().approvals(project=project, task_id=task, limit=limit, cursor=cursor)
    if json_output:
        show.json(page)
        return
    rows = [
        (
            one["task_id"],
            one["stage"],
            one["ask"],
            telling.people(one["by"]),
            show.moment(one["until"]) if one["until"] else "",
            f"{one['template']} v{one['template_version']}",
        )
        for one in page["approvals"]
    ]
    titles = ("task", "stage", "asks", "whom", "until", "template")
    show.rows(titles, rows, empty="nothing waits for an answer", optional=2)
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")


@approvals.command("answer")
def answer(
    task_id: str,
    stage: str,
    approved: Annotated[bool, typer.Option("--yes/--no", help="Whether it may go on.")],
    given: Annotated[
        str | None, typer.Option("--answer", help="What the stage's answer_schema asks for, as JSON.")
    ] = None,
    comment: Annotated[str | None, typer.Option(help="What to say with it.")] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Say yes or no to a stage that waits for it; its task goes on."""
    body: dict[str, Any] = {"approved": approved, "answer": _object(given)}
    task = client().answer(task_id, stage, {**body, **({"comment": comment} if comment else {})})
    if json_output:
        show.json(task)
    else:
        show.line(f"{task['id']} is {task['status']}: '{stage}' was answered {'yes' if approved else 'no'}")


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        fault = Fault("--answer", "give a JSON object, as in --answer '{\"limit\": 3}'")
        raise InvalidInput("the answer is not valid", faults=(fault,))
    return found
