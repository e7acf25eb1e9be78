"""What cannot be stored is found before anything is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.json import dumps
from steersman.tasks.storable import MAX_DEPTH, MAX_FAULTS, unstorable

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), documents, max_size=4))
def test_what_passes_can_be_written(document: dict[str, Any]) -> None:
    """A document without faults can be written as JSON, and holds no NUL character."""
    if not unstorable(document):
        assert b"\\u0000" not in dumps(document).replace(b"\\\\", b"")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"a": {"b": ["x", "y\0"]}}, "a.b.1"),
        ({"a": {"b\0": 1}}, "a"),
        ({"b\0": 1}, "body"),
        ({"n": 2**63}, "n"),
        ({"n": [-(2**63) - 1]}, "n.0"),
    ],
)
def test_a_fault_is_named_with_its_place(document: dict[str, Any], field: str) -> None:
    """A NUL character or a number beyond 64 bits is named where it lies."""
    assert [fault.field for fault in unstorable(document)] == [field]


def test_depth_is_bounded() -> None:
    """What lies deeper than the bound is a fault, and does not exhaust the stack however deep it is."""
    value: Any = 1
    for _ in range(MAX_DEPTH - 1):
        value = {"a": value}
    assert unstorable({"a": value}) == ()
    for _ in range(5000):
        value = [value]
    assert "deeper" in unstorable({"a": value})[0].reason


def test_faults_are_bounded() -> None:
    """A document full of faults tells some of them."""
    assert len(unstorable({"a": ["\0"] * 1000})) == MAX_FAULTS
