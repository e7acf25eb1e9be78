"""Files that people hand to the command line."""

from pathlib import Path
from typing import Any

from steersman.errors import Fault, InvalidInput
from steersman.json import loads


def read_json(file: Path) -> Any:
    """Return the JSON document in a file; raise InvalidInput naming the file and the place of what is wrong."""
    try:
        return loads(file.read_bytes())
    except ValueError as exc:
        raise InvalidInput("the file is not JSON", faults=(Fault(str(file), str(exc)),)) from None
