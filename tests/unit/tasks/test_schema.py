"""JSON Schema as templates carry it: no network, and reasons that hold no payload."""

import pytest

from steersman.tasks.schema import MAX_FAULTS, MAX_REASON, Schema


@pytest.mark.parametrize(
    "document",
    [
        {"$ref": "http://x.example/schema.json"},
        {"properties": {"a": {"$ref": "https://x.example/a#/b"}}},
        {"$schema": "http://x.example/dialect"},
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        {"$schema": 7},
        {"$id": "http://x.example/", "$ref": "other"},
        {"$dynamicRef": "http://x.example/#meta"},
        {"type": "nothing"},
        {"required": "name"},
        {"pattern": "("},
    ],
)
def test_a_schema_that_is_wrong_or_elsewhere_is_refused(document: dict) -> None:
    """An invalid schema, another dialect or a reference to the outside is refused without asking the network."""
    with pytest.raises(ValueError, match=r".+"):
        Schema(document)


def test_references_inside_and_the_dialect_itself_are_welcome() -> None:
    """A schema may name its own dialect and refer to its own parts, also to itself."""
    schema = Schema(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
            "$ref": "#/$defs/node",
        }
    )
    assert schema.faults({"next": {"next": {}}}, "x") == ()
    assert [fault.field for fault in schema.faults({"next": {"next": 3}}, "x")] == ["x.next.next"]


def test_every_fault_has_its_place() -> None:
    """Faults are placed under the given field, by name and by number."""
    schema = Schema(
        {
            "required": ["a"],
            "properties": {"b": {"items": {"type": "integer"}}, "c": {"enum": ["x"]}},
            "additionalProperties": False,
        }
    )
    found = {fault.field for fault in schema.faults({"b": [1, "2"], "c": 1, "d": 1}, "input")}
    assert found == {"input", "input.b.1", "input.c"}


def test_reasons_hold_no_payload_and_are_bounded() -> None:
    """A reason says what is wrong, never the value; faults and their text are bounded however large the value is."""
    schema = Schema({"items": {"type": "integer"}, "maxItems": 5})
    found = schema.faults(["secret" * 100_000] * 100, "x")
    assert len(found) == MAX_FAULTS
    assert all("secret" not in fault.reason and len(fault.reason) <= MAX_REASON for fault in found)


def test_a_schema_that_only_refers_to_itself_ends() -> None:
    """A reference that leads nowhere but to itself is no endless loop."""
    assert Schema({"$ref": "#"}).faults({"a": 1}, "x") == ()
