"""The door to PostgreSQL when connections break."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from steersman.db.connection import Database
from steersman.db.statements import Statement
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


def test_tuples_that_may_be_read_twice_survive_a_lost_connection(broken: Database) -> None:
    """Rows asked for as tuples come over a new connection too, when their statement may run twice."""
    statement = Statement.of("SELECT %(two)s::int, %(three)s::int, %(two)s::int")
    assert broken.tuples(statement, {"two": 2, "three": 3}, repeatable=True) == [(2, 3, 2)]


def test_other_tuples_are_not_asked_for_twice(broken: Database) -> None:
    """A statement for tuples that may not run twice is not repeated by itself; the next one finds a connection."""
    with pytest.raises(Unavailable):
        broken.tuples("SELECT 2")
    assert broken.tuples("SELECT 3, NULL") == [(3, None)]


def test_a_statement_without_rows_gives_no_tuples(database: Database) -> None:
    """What returns nothing gives an empty list, as tuples as well as dicts."""
    assert database.tuples("SET application_name = 'steersman'") == []
    assert database.run("SET application_name = 'steersman'") == []


def test_a_value_that_was_forgotten_is_told_and_nothing_is_run(database: Database) -> None:
    """A numbered statement that lacks a value is a KeyError by its name, and the connection stays of use."""
    with pytest.raises(KeyError, match="missing"):
        database.run(Statement.of("SELECT %(missing)s::int"), {"other": 1})
    assert database.run("SELECT 1 AS one") == [{"one": 1}]


def test_a_deadlock_ends_its_transaction_as_unavailable(database: Database, database_url: str) -> None:
    """The victim of a deadlock in a transaction is told to try again: nothing of it runs by itself, or is kept."""
    other = Database(database_url)
    for db in (database, other):
        db.run("SET deadlock_timeout = '20ms'")
    database.run(
        "INSERT INTO projects (id, slug, name) SELECT gen_random_uuid(), 's' || n, '' FROM generate_series(1, 2) n"
    )
    met = threading.Barrier(2)

    def cross(db: Database, first: str, second: str) -> str:
        change = "UPDATE projects SET name = %(name)s WHERE slug = %(slug)s"
        try:
            with db.transaction():
                db.run(change, {"name": first, "slug": first})
                met.wait(10)
                db.run(change, {"name": first, "slug": second})
        except Unavailable:
            return ""
        return first

    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(cross, database, "s1", "s2"), pool.submit(cross, other, "s2", "s1")]
        won = [end.result(20) for end in ends]
    other.close()
    assert won.count("") == 1
    names = {row["name"] for row in database.run("SELECT name FROM projects WHERE slug <> 'default'")}
    assert names == set(won) - {""}


PLANS = """
    SELECT current_setting('plan_cache_mode') AS plans, current_setting('enable_seqscan') AS sequential,
           current_setting('jit') AS jit"""
STEADY = [{"plans": "force_generic_plan", "sequential": "off", "jit": "off"}]


def test_steady_plans_are_set_on_every_connection(database_url: str) -> None:
    """Where plans are to be steady they are made once and go through indexes, also after a reconnect."""
    steady, killer = Database(database_url, steady_plans=True), Database(database_url)
    assert steady.run(PLANS) == STEADY
    killer.run(KILL)
    assert steady.run(PLANS, repeatable=True) == STEADY
    assert killer.run(PLANS)[0]["plans"] == "auto"
    assert killer.run(PLANS)[0]["sequential"] == "on"
    steady.close()
    killer.close()


def test_steady_plans_are_kept_from_the_second_call_on(database_url: str) -> None:
    """A statement with a steady plan is prepared when it comes again, and then made into a plan for any values."""
    steady = Database(database_url, steady_plans=True)
    statement = Statement.of("SELECT id FROM projects WHERE slug = %(slug)s")
    for _ in range(3):
        steady.run(statement, {"slug": "default"})
    kept = steady.run(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%slug%'"
    )
    steady.close()
    assert kept == [{"generic_plans": 2, "custom_plans": 0}]


def test_driver_errors_are_translated_without_the_value(database: Database) -> None:
    """What the server refuses becomes an error of ours, which does not repeat the value."""
    with pytest.raises(InvalidInput) as told:
        database.run("SELECT %(text)s::uuid", {"text": "somebody's secret"})
    assert "secret" not in told.value.message
    with pytest.raises(Conflict):
        database.run("INSERT INTO projects (id, slug, name) SELECT id, slug, name FROM projects")
