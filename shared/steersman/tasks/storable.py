"""What JSON can say and PostgreSQL, or our own JSON writer, cannot hold: found before anything is stored."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from steersman.errors import Fault

MAX_DEPTH = 100  # orjson writes 254 levels, and what wraps a value needs some of them
MAX_INTEGER = 2**63
MAX_FAULTS = 20
_FEW = 8
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LONG = re.compile(rb"[0-9]{19}")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


def unstorable(document: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Return what of a JSON document cannot be stored, each with its place; empty when all of it can."""
    faults: list[Fault] = []
    waiting: list[tuple[Any, tuple[str, ...]]] = [(document, ())]
    while waiting and len(faults) < MAX_FAULTS:
        value, place = waiting.pop()
        if reason := _reason(value, len(place)):
            faults.append(Fault(".".join(place)[:300], reason))
        elif isinstance(value, Mapping):
            if any("\x00" in str(name) for name in value):
                faults.append(Fault(".".join(place) or "body", "has a name with a NUL character"))
            else:
                waiting.extend((inner, (*place, str(name))) for name, inner in value.items())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            waiting.extend((inner, (*place, str(number))) for number, inner in enumerate(value))
    return tuple(faults)


def surely_storable(text: bytes) -> bool:
    """Say of our own JSON whether it can be stored for certain, at a glance; if not, `unstorable` looks closely."""
    return b"\\u0000" not in text and _shallow(text) and not _LONG.search(text)


def _shallow(text: bytes) -> bool:
    if text.count(b"{") + text.count(b"[") < MAX_DEPTH:
        return True
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    for _ in range(_FEW):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return True
    return False


def _reason(value: Any, depth: int) -> str | None:
    if isinstance(value, str) and "\x00" in value:
        return "has a NUL character"
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        return "is a number beyond 64 bits"
    if depth > MAX_DEPTH:
        return f"lies deeper than {MAX_DEPTH} levels"
    return None
