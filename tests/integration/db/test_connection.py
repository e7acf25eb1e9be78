"""The door to PostgreSQL when connections break."""

import pytest

from steersman.db.connection import Database
from steersman.errors import Conflict, InvalidInput, Unavailable

KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'steersman' AND pid <> pg_backend_pid() AND datname = current_database()"""


@pytest.fixture
def broken(database: Database, database_url: str) -> Database:
    """A database whose open connection the server has just ended."""
    killer = Database(database_url)
    database.run("SELECT 1 AS one")
    killer.run(KILL)
    killer.close()
    return database


def test_a_repeatable_statement_survives_a_lost_connection(broken: Database) -> None:
    """A statement that may run twice is run again on a new connection when its connection was lost."""
    assert broken.run("SELECT 2 AS two", repeatable=True) == [{"two": 2}]


def test_other_statements_do_not_run_twice(broken: Database) -> None:
    """A statement whose connection breaks is not repeated by itself; the next one finds a new connection."""
    with pytest.raises(Unavailable):
        broken.run("SELECT 2 AS two")
    assert broken.run("SELECT 3 AS three") == [{"three": 3}]


def test_driver_errors_are_translated_without_the_value(database: Database) -> None:
    """What the server refuses becomes an error of ours, which does not repeat the value."""
    with pytest.raises(InvalidInput) as told:
        database.run("SELECT %(text)s::uuid", {"text": "somebody's secret"})
    assert "secret" not in told.value.message
    with pytest.raises(Conflict):
        database.run("INSERT INTO projects (id, slug, name) SELECT id, slug, name FROM projects")
