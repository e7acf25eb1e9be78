"""The approvals commands: what waits for an answer, and answering."""

from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, Project, client
from steersman.errors import Fault, InvalidInput
from steersman.json import loads

approvals = typer.Typer(no_args_is_help=True, help="What waits for an answer: list it, answer it.")


@approvals.command("list")
def list_approvals(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List what waits for an answer, oldest tasks first."""
    page = client().approvals(project=project, limit=limit, cursor=cursor)
    if json_output:
        show.json(page)
        return
    rows = [
        (
            one["task_id"],
            one["stage"],
            one["ask"],
            ", ".join(one["by"]) or "anybody",
            show.moment(one["awaited_at"]),
            show.moment(one["until"]) if one["until"] else "",
        )
        for one in page["approvals"]
    ]
    show.rows(
        ("task", "stage", "question", "who may answer", "since", "until"),
        rows,
        empty="nothing waits for an answer",
        optional=1,
    )
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")


@approvals.command("answer")
def answer(
    task_id: str,
    stage: str,
    yes: Annotated[bool, typer.Option("--yes/--no", help="Whether it is approved.")],
    given: Annotated[str | None, typer.Option("--answer", help="What is asked for besides, as JSON.")] = None,
    comment: Annotated[str | None, typer.Option(help="What there is to say of it.")] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Answer a stage that waits; its task goes on."""
    body: dict[str, Any] = {"approved": yes}
    if given is not None:
        body["answer"] = _parsed(given)
    if comment:
        body["comment"] = comment
    task = client().answer(task_id, stage, body)
    if json_output:
        show.json(task)
    else:
        show.line(f"{task['id']}: {stage} is answered with {'yes' if yes else 'no'}; the task goes on")


def _parsed(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        fault = Fault("--answer", "give an object as JSON, as in --answer '{\"sources\": 3}'")
        raise InvalidInput("the answer cannot be read", faults=(fault,)) from None
