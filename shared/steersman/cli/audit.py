"""The audit on the command line."""

from typing import Annotated

import typer

from steersman.cli import show
from steersman.cli.context import Json, Project, client


def audit(
    action: Annotated[str | None, typer.Option(help="As in task.cancelled.")] = None,
    target: Annotated[str | None, typer.Option(help="As in task/<id>.")] = None,
    by: Annotated[str | None, typer.Option(help="Who did it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List what people and agents changed, newest first."""
    page = client().audit(project=project, action=action, target=target, by=by, limit=limit, cursor=cursor)
    if json_output:
        show.json(page)
        return
    rows = [
        (show.moment(one["at"]), one["by"], one["action"], one["target"], show.brief(one["detail"]))
        for one in page["entries"]
    ]
    show.rows(("at", "by", "action", "target", "detail"), rows, empty="nothing was changed yet", optional=1)
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")
