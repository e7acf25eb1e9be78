"""templates compile: a template as a state machine of Step Functions."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, Project, client
from steersman.cli.files import read_json
from steersman.errors import Fault, InvalidInput
from steersman.tasks.asl.compile import Compiled, compile_template
from steersman.tasks.asl.words import QUEUE_PREFIX
from steersman.tasks.template import Template, parse_template


def compile_published(
    template: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A published template, or a file.")],
    version: Annotated[int | None, typer.Option(min=1, help="Default: the newest")] = None,
    queue_prefix: Annotated[
        str, typer.Option(help="The address of the stage queues up to '<queue>-<lane>'.")
    ] = QUEUE_PREFIX,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Print a template as Amazon States Language, and tell what that adds. A file needs no running cloud."""
    made = compile_template(_read(template, version, project), queue_prefix=queue_prefix)
    if json_output:
        show.json(_document(made))
        return
    show.out.file.write(json.dumps(made.definition, indent=2) + "\n")
    for note in notes(made):
        show.err.print(note, style="dim", markup=False, soft_wrap=True)


def notes(made: Compiled) -> list[str]:
    """Return what a person should know of a compiled template, a sentence each."""
    told = [f"{join.stage} waits also for {', '.join(join.waits_also_for)}" for join in made.joins]
    if told:
        pairs = (
            "1 pair of stages waits" if made.added_waits == 1 else f"{made.added_waits} pairs of stages wait"
        )
        told.append(f"the DAG is not series-parallel: {pairs} for each other without need")
    return told


def _read(template: str, version: int | None, project: str) -> Template:
    file = Path(template)
    if file.suffix or file.is_file():  # no template's name has a dot
        document = read_json(file) if file.is_file() else _missing(file)
    elif version is not None:
        document = client().template(template, version, project)["template"]
    else:
        document = client().newest_template(template, project)["template"]
    if not isinstance(document, dict):
        fault = Fault("template", "must be a JSON object")
        raise InvalidInput("the file does not hold a template", faults=(fault,))
    return parse_template(document)


def _missing(file: Path) -> Any:
    fault = Fault("template", "give the file of a template, or the name of a published one")
    raise InvalidInput(f"there is no file {file}", faults=(fault,))


def _document(made: Compiled) -> dict[str, Any]:
    return {
        "definition": made.definition,
        "joins": [{"stage": join.stage, "waits_also_for": list(join.waits_also_for)} for join in made.joins],
        "added_waits": made.added_waits,
        "inline": sorted(made.inline),
        "most_events": made.most_events,
    }
