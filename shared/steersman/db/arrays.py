"""PostgreSQL's text form of arrays, for statements that take a batch: quicker than the driver's, which knows no types.

https://www.postgresql.org/docs/16/arrays.html#ARRAYS-IO
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from steersman.json import dumps_text


def plain(values: Iterable[Any]) -> str:
    """Return an array of values whose text needs no quotes: numbers, booleans, enums; None is NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def ids(values: Iterable[UUID | None]) -> str:
    """Return an array of UUIDs; None is NULL."""
    return "{" + ",".join(["NULL" if value is None else f"{value.int:032x}" for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Return an array of any texts; None is NULL."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def documents(values: Iterable[Any]) -> str:
    """Return an array of the JSON texts of any values; None is NULL, not JSON's null."""
    return texts([None if value is None else dumps_text(value) for value in values])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
