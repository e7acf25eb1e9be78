"""Statements that run often: their named parameters are numbered once, not at every call.

The driver reads the text of a long statement anew each time (it remembers only those under 4 KiB), which for the
engine's costs more than all else that it does for a call.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PARAMETER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Statement:
    """SQL with parameters $1, $2, … and the names of their values, in that order."""

    text: bytes
    names: tuple[str, ...]

    @classmethod
    def of(cls, sql: str) -> "Statement":
        """Read SQL with parameters %(name)s; a name that stands twice is one parameter."""
        names: list[str] = []

        def number(found: re.Match[str]) -> str:
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        text = _PARAMETER.sub(number, sql)
        return cls(text.encode(), tuple(names))

    def values(self, parameters: Mapping[str, Any] | None) -> list[Any]:
        return [(parameters or {})[name] for name in self.names]
