"""Large values in the API's answers: whole where an answer holds them, else by reference with the reason.

The reference is that of the row with `code` and `reason`: `not_included`, `too_large`, or what the store said of it
(`payload_gone`, `payload_damaged`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from steersman.errors import SteersmanError, Unavailable
from steersman.json import dumps, dumps_text
from steersman.tasks.payloads import Payloads
from steersman.tasks.references import Reference, reference_in

ANSWER_BYTES = 6_000_000  # Lambda answers with at most 6 MiB, as JSON with the body as a text in it

Value = Literal["input", "output"]
BOTH: tuple[Value, ...] = ("output", "input")  # where not both fit, the output is what was waited for


def whole_task(
    view: Mapping[str, Any], payloads: Payloads, *, include: Sequence[Value] = BOTH
) -> dict[str, Any]:
    """Return a task's view with the real values of those `include`d, the first first; raise Unavailable."""
    shown, found = dict(view), _found(view, BOTH)
    if not found:
        return shown
    for name, reference in found.items():
        shown[name] = reference.document(
            code="not_included", reason=f"GET /v1/tasks/{view['id']}?include={name} shows it"
        )
    room = ANSWER_BYTES - _answer_bytes(shown)
    wanted = {name: found[name] for name in include if name in found}
    loaded = payloads.load(one for one in wanted.values() if one.size <= room)
    for name, reference in wanted.items():
        shown[name], used = _shown(reference, loaded.get(reference), room, alone=len(wanted) == 1)
        room -= used
    return shown


def whole_page(rows: Sequence[Mapping[str, Any]], payloads: Payloads) -> list[dict[str, Any]]:
    """Return the first of a page's tasks, at least one, with their real outputs, as many as an answer holds."""
    references = [_found(row, ("output",)).get("output") for row in rows]
    if not any(references):
        return [dict(row) for row in rows]
    loaded = payloads.load(one for one in references if one is not None and one.size <= ANSWER_BYTES)
    room, shown = ANSWER_BYTES, list[dict[str, Any]]()
    for row, reference in zip(rows, references, strict=True):
        whole = dict(row)
        if reference is not None:
            whole["output"], _ = _shown(reference, loaded.get(reference), ANSWER_BYTES, alone=True)
        room -= _answer_bytes(whole)
        if room < 0 and shown:
            break
        shown.append(whole)
    return shown


def _found(view: Mapping[str, Any], names: Sequence[str]) -> dict[str, Reference]:
    return {name: found for name in names if (found := reference_in(view[name])) is not None}


def _shown(reference: Reference, value: Any, room: int, *, alone: bool) -> tuple[dict[str, Any], int]:
    """Return what is shown for a reference whose value was loaded (None where it was not), and its bytes."""
    if isinstance(value, Unavailable):
        raise value
    if isinstance(value, SteersmanError):
        return reference.document(code=value.code, reason=value.message), 0
    used = _answer_bytes(value) if value is not None else 0
    if value is None or used > room:
        return reference.document(code="too_large", reason=_TOO_LARGE[alone]), 0
    return value, used


_TOO_LARGE = {
    False: "does not fit into one answer beside the other value: ask with ?include= for this one alone",
    True: "takes more than an answer holds (6 MB with its quotes escaped): read it from the bucket by its key",
}


def _answer_bytes(value: Any) -> int:
    return len(dumps(dumps_text(value)))
