"""Opaque cursors: round trips, and refusal of what is not one."""

import base64
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.errors import InvalidInput
from steersman.http import cursors


@given(
    st.sampled_from(["tasks", "agents", "templates"]),
    st.text(min_size=1).filter(lambda text: max(text) < "\ud800"),
)
def test_a_cursor_leads_back_to_its_position(kind: str, position: str) -> None:
    """Any position comes back from its cursor, which needs no escaping in a URL."""
    cursor = cursors.encode(kind, position)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursors.decode(kind, cursor) == position


@given(st.uuids())
def test_an_id_comes_back(task_id: UUID) -> None:
    """A cursor of ids gives the id."""
    assert cursors.decode_id("tasks", cursors.encode("tasks", str(task_id))) == task_id


def test_no_cursor_is_the_first_page() -> None:
    """None stands for the first page."""
    assert cursors.decode("tasks", None) is None
    assert cursors.decode_id("tasks", None) is None


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!", "é", "\0", "a" * 499, cursors.encode("agents", "1"), cursors.encode("tasks", ""),
     base64.urlsafe_b64encode(b"\xff\xfe:1").decode(), base64.urlsafe_b64encode(b"tasks").decode()],
)  # fmt: skip
def test_what_is_not_a_cursor_of_this_list_is_refused(cursor: str) -> None:
    """Garbage, a cursor of another list or one without a position is refused naming `cursor`."""
    with pytest.raises(InvalidInput) as caught:
        cursors.decode("tasks", cursor)
    assert [fault.field for fault in caught.value.faults] == ["cursor"]


def test_an_id_that_is_none_is_refused() -> None:
    """A cursor whose position is no id is refused where ids are expected."""
    with pytest.raises(InvalidInput):
        cursors.decode_id("tasks", cursors.encode("tasks", "not an id"))


@given(st.text())
def test_no_text_can_raise_anything_else(cursor: str) -> None:
    """Any text is a cursor or refused."""
    with suppress(InvalidInput):
        assert cursors.decode("tasks", cursor)
