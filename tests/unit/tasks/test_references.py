"""Which values go into the bucket, and what stands for them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from steersman.ids import first_id_at, made_at
from steersman.json import dumps
from steersman.tasks.references import (
    MAX_INLINE_BYTES,
    goes_apart,
    reference_in,
    reference_to,
)

TASK = UUID(int=first_id_at(datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC)).int | 7 << 76)


@pytest.mark.parametrize("character", ["x", "é", "漢", "😀"])
def test_a_value_over_the_limit_goes_apart(character: str) -> None:
    """Its UTF-8 JSON decides, not its characters: at 64 KiB it stays in its row, a byte more and it goes."""
    room = MAX_INLINE_BYTES - len(dumps({"t": ""}))
    count, rest = divmod(room, len(character.encode()))
    fits, over = ({"t": character * count + "x" * more} for more in (rest, rest + 1))
    assert len(dumps(fits)) == MAX_INLINE_BYTES
    for value, apart in ((fits, False), (over, True)):
        text = dumps(value)
        assert goes_apart(value, text) is apart
        assert goes_apart(value, text.decode()) is apart


def test_a_value_that_looks_like_a_reference_goes_apart() -> None:
    """A value with the name `$payload` at its top goes apart however small it is; deeper down it means nothing."""
    assert goes_apart({"$payload": 1}, b'{"$payload":1}')
    assert goes_apart({"a": 1, "$payload": None}, b"")
    assert not goes_apart({"a": {"$payload": 1}}, b'{"a":{"$payload":1}}')


def test_a_key_is_that_of_its_task_month_and_content() -> None:
    """The same value of a task has the same key whenever it is put; another value or task has another."""
    one = reference_to(TASK, b"{}")
    assert one.key == f"payloads/2026-02/{TASK}/{one.sha256}"
    assert (one.size, len(one.sha256)) == (2, 64)
    assert reference_to(TASK, b"{}") == one
    assert reference_to(TASK, b"[]").key != one.key
    assert made_at(TASK) == datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC)


def test_a_reference_is_read_as_it_was_written() -> None:
    """What stands in a row for a value leads back to it, also with a reason beside it."""
    reference = reference_to(TASK, b"{}")
    assert reference_in(reference.document()) == reference
    assert reference_in(reference.document(code="too_large", reason="…")) == reference


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"a": 1},
        {"$payload": None},
        {"$payload": {}},
        {"$payload": {"key": "payloads/x", "bytes": "2", "sha256": "x"}},
        {"$payload": {"key": "documents/secret", "bytes": 2, "sha256": "x"}},
    ],
)
def test_what_is_no_reference_is_a_value(value: Any) -> None:
    """Anything else is a plain value, and no reference leads out of the part of the bucket that payloads have."""
    assert reference_in(value) is None
