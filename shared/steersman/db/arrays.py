"""PostgreSQL's text form of arrays, for statements that take a batch: quicker than the driver's, which knows no types.

https://www.postgresql.org/docs/16/arrays.html#ARRAYS-IO
"""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from steersman.json import dumps_text


def plain(values: Iterable[Any]) -> str:
    """Return an array of values whose text needs no quotes: numbers, booleans, enums; None is NULL."""
    return _array(list(values), str)


def ids(values: Iterable[UUID | None]) -> str:
    """Return an array of UUIDs; None is NULL."""
    return _array(list(values), _hex)


def texts(values: Iterable[str | None]) -> str:
    """Return an array of any texts; None is NULL."""
    return _array(list(values), _quoted)


def documents(values: Iterable[Any]) -> str:
    """Return an array of the JSON texts of any values; None is NULL, not JSON's null."""
    return texts([None if value is None else dumps_text(value) for value in values])


def _array(values: list[Any], written: Callable[[Any], str]) -> str:
    if values and values[0] is values[-1] and values.count(values[0]) == len(values):
        # Much of what a batch has in common is one object (no error, the same agent): it is written once.
        one = "NULL" if values[0] is None else written(values[0])
        return "{" + ",".join([one] * len(values)) + "}"
    return "{" + ",".join(["NULL" if value is None else written(value) for value in values]) + "}"


def _hex(value: UUID) -> str:
    return f"{value.int:032x}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
