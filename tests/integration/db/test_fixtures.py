"""The servers of the tests: each test begins with its own empty stores."""

import pytest
import redis

from steersman.db.connection import Database
from tests.integration.db.rows import insert


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_database_holds_nothing_of_other_tests(turn: str, database: Database) -> None:
    """A test sees in its database only what it wrote there."""
    insert(database, "agents", name=turn)
    assert database.run("SELECT name FROM agents") == [{"name": turn}]


def test_both_roles_use_the_same_database(database: Database, app_database: Database) -> None:
    """The owner and the functions' role of one test see the same rows."""
    insert(database, "agents", name="shared")
    assert app_database.run("SELECT name, current_user::text AS role FROM agents") == [
        {"name": "shared", "role": "steersman_app"}
    ]


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_cache_holds_nothing_of_other_tests(turn: str, redis_client: redis.Redis, redis_url: str) -> None:
    """A test sees in its Redis only what it wrote there, through whichever client."""
    assert redis_client.dbsize() == 0
    redis_client.set("turn", turn)
    with redis.Redis.from_url(redis_url, decode_responses=True) as other:
        assert other.get("turn") == turn


def test_servers_are_of_the_deployed_versions(database: Database) -> None:
    """The tests run on the major version of PostgreSQL that the stack deploys, with pgvector."""
    [row] = database.run(
        "SELECT current_setting('server_version_num')::integer / 10000 AS major, extname::text AS extension"
        " FROM pg_extension WHERE extname = 'vector'"
    )
    assert row == {"major": 16, "extension": "vector"}
