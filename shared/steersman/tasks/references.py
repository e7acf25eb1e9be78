"""Large values by reference: which values go into the bucket, under which key, and what stands in the row instead.

A row holds `{"$payload": {"key": …, "bytes": …, "sha256": …}}` for a value over MAX_INLINE_BYTES. A value of somebody's
own that has the name `$payload` goes into the bucket too, whatever its size: so what stands in a row under that name is
always ours, and nobody can have the object of another task read by describing it.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from steersman.ids import made_at

MAX_INLINE_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 5_000_000  # a request with it passes through Lambda, which takes 6 MB
MARK = "$payload"
PREFIX = "payloads/"


class Reference(NamedTuple):
    """Where a value's JSON text lies, how many bytes it has, and what it hashes to."""

    key: str
    size: int
    sha256: str

    def document(self, **more: Any) -> dict[str, Any]:
        """Return what stands for the value: in its row, and with `more` to say in the API."""
        return {MARK: {"key": self.key, "bytes": self.size, "sha256": self.sha256, **more}}


def goes_apart(value: Mapping[str, Any], text: str | bytes) -> bool:
    """Say whether a value with this JSON text is kept in the bucket rather than in its row."""
    if (
        len(text) > MAX_INLINE_BYTES // 4
    ):  # a character has at most four bytes: what is shorter is not measured
        size = len(text) if isinstance(text, bytes) else len(text.encode())
        if size > MAX_INLINE_BYTES:
            return True
    return MARK in value


def reference_to(task_id: UUID, content: bytes) -> Reference:
    """Return the reference to a value of a task; the month is the task's, so that doing it again changes nothing."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Reference(f"{PREFIX}{made_at(task_id):%Y-%m}/{task_id}/{sha256}", len(content), sha256)


def reference_in(value: Mapping[str, Any] | None) -> Reference | None:
    """Return the reference that stands for a value in a row, or None where the value itself stands there."""
    if value is None or MARK not in value:
        return None
    match value[MARK]:
        case {"key": str(key), "bytes": int(size), "sha256": str(sha256)} if key.startswith(PREFIX):
            return Reference(key, size, sha256)
    return None
