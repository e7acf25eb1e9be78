"""Statements whose named parameters are numbered once."""

import pytest

from steersman.db.statements import Statement


def test_each_name_has_one_number_in_the_order_in_which_it_first_stands() -> None:
    """Parameters are numbered from 1 as they first stand, and a name that stands again is the same parameter."""
    statement = Statement.of("SELECT %(b)s, %(a)s::int[], %(b)s || %(c_1)s")
    assert statement.text == b"SELECT $1, $2::int[], $1 || $3"
    assert statement.names == ("b", "a", "c_1")
    assert statement.values({"a": 1, "b": 2, "c_1": 3}) == [2, 1, 3]


def test_names_that_begin_alike_are_not_mixed_up() -> None:
    """A name that is the beginning of another has a number of its own."""
    statement = Statement.of("SELECT %(task)s, %(tasks)s, %(task)s")
    assert (statement.text, statement.names) == (b"SELECT $1, $2, $1", ("task", "tasks"))


def test_a_statement_without_parameters_stays_as_it_is() -> None:
    """What has no parameters is not changed, and needs no values."""
    statement = Statement.of("SELECT 5 % 3, 'ü' -- (all)s of it")
    assert statement.text.decode() == "SELECT 5 % 3, 'ü' -- (all)s of it"
    assert statement.values(None) == []


@pytest.mark.parametrize("given", [None, {}, {"id": 1, "more": 2}])
def test_a_missing_value_is_told_by_its_name(given: dict[str, int] | None) -> None:
    """A parameter without a value is a KeyError that names it; values that no parameter asks for do no harm."""
    statement = Statement.of("SELECT %(id)s, %(lease)s")
    with pytest.raises(KeyError, match="lease" if given else "id"):
        statement.values(given)
    assert statement.values({"id": 1, "lease": None, "more": 2}) == [1, None]
