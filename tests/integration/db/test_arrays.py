"""Arrays in PostgreSQL's text form: what goes in comes out."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Database
from steersman.db.statements import Statement
from steersman.tasks.words import StageStatus

READ = "SELECT value FROM unnest(%(values)s::{}[]) WITH ORDINALITY AS given (value, place) ORDER BY place"
IDS = Statement.of(READ.format("uuid"))
TEXTS = Statement.of(READ.format("text"))
DOCUMENTS = Statement.of(READ.format("jsonb"))
on_one_database = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

characters = st.characters(
    exclude_categories=["Cs"], exclude_characters="\0"
)  # PostgreSQL has no text with NUL
awkward = st.text(st.sampled_from("\\\"'{},;$% \t\n\rnulNUL()é\u2028😀"), max_size=12)
any_text = (
    st.sampled_from(["", "NULL", "null", "{}", '""', "\\", '\\"', "a,b", " "]) | awkward | st.text(characters)
)
any_document = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)


def read(database: Database, statement: Statement, array: str) -> list[Any]:
    return [value for (value,) in database.tuples(statement, {"values": array})]


@on_one_database
@given(st.lists(st.none() | any_text, max_size=20))
@example([None, "NULL", "null", "", '"', "\\", "{", "}", ",", "a\\'b", "\x7f\n\t"])
def test_any_texts_come_back_as_they_were(database: Database, given_texts: list[str | None]) -> None:
    """Texts of any characters, also empty ones and the word NULL, are read back as they were; None is NULL."""
    assert read(database, TEXTS, texts(given_texts)) == given_texts


@on_one_database
@given(st.lists(st.none() | any_document, max_size=10))
@example([None, {}, [], "", {"": None}, {'"\\': ["NULL", {"{": "}"}]}, 'say "no"', 0.1, True])
def test_any_documents_come_back_as_they_were(database: Database, given_documents: list[Any]) -> None:
    """Documents of any shape are read back as they were, with what quotes and backslashes they hold."""
    assert read(database, DOCUMENTS, documents(given_documents)) == given_documents


def test_no_document_is_null_and_not_a_document(database: Database) -> None:
    """None is SQL's NULL, while a null inside a document is JSON's."""
    asked = "SELECT value IS NULL, value::text FROM unnest(%(values)s::jsonb[]) AS given (value)"
    found = database.tuples(Statement.of(asked), {"values": documents([None, {"a": None}, [None]])})
    assert found == [(True, None), (False, '{"a": null}'), (False, "[null]")]


def test_plain_values_come_back_with_their_types(database: Database) -> None:
    """Numbers, booleans and words of an enum need no quotes and keep their values; None is NULL."""
    for kind, values in (
        ("bigint", [0, -1, None, 2**63 - 1]),
        ("bool", [True, None, False]),
        ("numeric", [Decimal("0.000001"), None, Decimal("1E+6"), Decimal("-7.10")]),
        ("float8", [0.1, None, -1e-9, 1e300]),
        ("text", [*StageStatus, None]),
    ):
        assert read(database, Statement.of(READ.format(kind)), plain(values)) == values


@on_one_database
@given(st.lists(st.none() | st.uuids() | st.integers(0, 2**64).map(lambda number: UUID(int=number))))
@example([UUID(int=0), None, UUID(int=2**128 - 1)])
def test_any_ids_come_back_as_they_were(database: Database, given_ids: list[UUID | None]) -> None:
    """Any UUIDs, also those that begin with zeros, are read back as they were; None is NULL."""
    assert read(database, IDS, ids(given_ids)) == given_ids


def test_nothing_is_an_empty_array(database: Database) -> None:
    """An array of no values has no elements, whatever made it."""
    for array in (plain([]), ids([]), texts([]), documents([])):
        assert read(database, TEXTS, array) == []
