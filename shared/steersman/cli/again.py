"""tasks rerun and tasks clone: what becomes of a task once more."""

from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import Json, client
from steersman.errors import Fault, InvalidInput
from steersman.json import loads


def rerun(
    task_id: str,
    from_stages: Annotated[
        list[str], typer.Option("--from", help="A stage to begin at; may come more than once.")
    ],
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Run a task that has ended again from chosen stages; the results before them are kept."""
    done = client().rerun(task_id, from_stages)
    if json_output:
        show.json(done)
    else:
        show.line(f"{done['id']} runs again: {', '.join(done['stages'])}")


def clone(
    task_id: str,
    task_input: Annotated[str | None, typer.Option("--input", "-i", help="Another input, as JSON.")] = None,
    priority: Annotated[str | None, typer.Option(help="Another priority.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="key:value, instead of the labels of the other.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Another version of the template.")] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Submit a task like another one, with what is given here instead."""
    changes = {
        "input": _parsed(task_input),
        "priority": priority,
        "labels": dict(_split(one) for one in label) if label else None,
        "template_version": version,
    }
    accepted = client().clone(task_id, {name: value for name, value in changes.items() if value is not None})
    if json_output:
        show.json(accepted)
    else:
        show.out.print(accepted["id"])


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else loads(text)
    except ValueError:
        fault = Fault("--input", 'give the input as JSON, as in --input \'{"question": "…"}\'')
        raise InvalidInput("the input cannot be read", faults=(fault,)) from None


def _split(label: str) -> tuple[str, str]:
    key, colon, value = label.partition(":")
    if not colon:
        fault = Fault("--label", f"'{label}' is not of the form key:value")
        raise InvalidInput("the label cannot be read", faults=(fault,))
    return key, value
