"""The child's end of the pipe to the bench: JSON lines in by standard input, out by what was standard output.

Functions print metrics and logs: from here on those go where standard error goes, to the child's log.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import orjson


class Channel:
    """One for each process; make it before anything prints."""

    def __init__(self) -> None:
        self._out = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(self, document: dict[str, Any]) -> None:
        os.write(self._out, orjson.dumps(document) + b"\n")

    def asked(self) -> Iterator[dict[str, Any]]:
        """Yield what the bench asks, until it closes the pipe."""
        for line in sys.stdin:
            yield orjson.loads(line)
