"""invoke: run one Lambda handler in this process with a sample event."""

import importlib
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from steersman.cli import show
from steersman.cli.context import cloud, root
from steersman.cli.files import read_json
from steersman.errors import Fault, InvalidInput
from steersman.ids import new_id


class LocalContext:
    """What Lambda tells a handler about its call."""

    def __init__(self, function: str) -> None:
        self.function_name = function
        self.function_version = "$LATEST"
        self.memory_limit_in_mb = 512
        self.aws_request_id = str(new_id())
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def invoke(
    function: Annotated[str, typer.Argument(help="A function: api.tasks, stages.intent, ops.sweep, …")],
    event: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The event, as in events/.")],
) -> None:
    """Run one Lambda handler here with a sample event.

    It runs in this process, on the local cloud's database, cache and queues: set a breakpoint where you like.
    """
    document = read_json(event)
    handler = load(function)
    os.environ.update(cloud().endpoints().environment())
    with redirect_stdout(sys.stderr):  # metrics are printed; the answer alone is for scripts
        answer = handler(document, LocalContext(function))
    show.json(answer)


def load(function: str) -> Any:
    """Return the handler of a function by its name below `functions`; raise InvalidInput naming those there are."""
    name = function.removeprefix("functions.").removesuffix(".handler")
    known = names()
    if name not in known:
        reason = f"there is no function '{function}'; there are {', '.join(known)}"
        raise InvalidInput("the function is not known", faults=(Fault("FUNCTION", reason),))
    if str(root()) not in sys.path:
        sys.path.insert(0, str(root()))
    return importlib.import_module(f"functions.{name}").handler


def names() -> list[str]:
    """Return the names of all functions of this repository."""
    folder = root() / "functions"
    modules = (file for file in folder.glob("*/*.py") if file.stem != "__init__")
    return sorted(f"{file.parent.name}.{file.stem}" for file in modules)
