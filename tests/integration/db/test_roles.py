"""The functions' role: enough rights for the functions' work, and none beyond."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from steersman.db import partitions, probe_store
from steersman.db.connection import Database
from steersman.db.migrate import migrate, newest
from steersman.db.roles import AppRole, ensure_role
from steersman.db.tables import metadata
from steersman.errors import Conflict
from tests.fixtures.databases import APP_ROLE, Cluster
from tests.integration.db.catalog import query
from tests.integration.db.rows import insert

FORBIDDEN = [
    "CREATE TABLE of_my_own (id integer)",
    "ALTER TABLE agents ADD COLUMN more text",
    "DROP TABLE agents",
    "TRUNCATE agents",
    "DELETE FROM task_histories",
    "DELETE FROM task_stages",
    "DELETE FROM task_stage_logs",
    "UPDATE task_stage_logs SET stage = 'other'",
    "UPDATE task_dag_templates SET description = 'other'",
    "DELETE FROM task_dag_templates",
    "DELETE FROM agent_health",
    "DELETE FROM dead_letters",
    "UPDATE audit_entries SET by = 'somebody else'",
    "DELETE FROM audit_entries",
    "UPDATE alembic_version SET version_num = 'other'",
    "CREATE ROLE another",
]


@pytest.fixture
def role_name(cluster: Cluster) -> Iterator[str]:
    """Give a free role name; the role is dropped after the test's database is gone."""
    name = f"role_{uuid4().hex}"
    yield name
    cluster.run("DROP ROLE IF EXISTS {}", name)


def rights(url: str, role: str) -> set[str]:
    """Return the privileges that `role` has on the table of agents."""
    granted = query(
        url,
        "SELECT grantee, privilege_type FROM information_schema.table_privileges WHERE table_name = 'agents'",
    )
    return {privilege for grantee, privilege in granted if grantee == role}


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_role_writes_and_reads_every_table(table: str, app_database: Database) -> None:
    """The functions' role may insert into and read each table."""
    insert(app_database, table)
    assert app_database.run(f"SELECT * FROM {table}")  # noqa: S608 - a table of the models


@pytest.mark.parametrize("view", ["task_analytics", "agent_performance_summary"])
def test_role_reads_the_views(view: str, app_database: Database) -> None:
    """The functions' role may read the views."""
    assert app_database.run(f"SELECT * FROM {view}") == []  # noqa: S608


def test_role_reads_the_state_of_the_schema(app_database: Database) -> None:
    """The health of the database can be told with the functions' role."""
    assert probe_store.state(app_database)["revision"] == newest()


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_role_may_not(statement: str, app_database: Database) -> None:
    """The functions' role can neither change the schema nor rewrite history."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_database.run(statement)


def test_role_may_keep_the_partitions(app_database: Database, database: Database) -> None:
    """The schedule that makes and drops months runs with the functions' role, which owns no table."""
    database.run("SELECT create_history_partitions('2020-01-01')")
    report = partitions.ensure(app_database, months_ahead=4, retention_months=24)
    assert len(report.created) == len(report.dropped) == 4


def test_only_the_role_may_keep_the_partitions(role_name: str, database_url: str, database: Database) -> None:
    """A role without the grant cannot run the functions that make and drop months with more rights."""
    database.run(f"CREATE ROLE {role_name}")
    with psycopg.connect(database_url) as connection:
        connection.execute(f"SET ROLE {role_name}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT drop_history_partitions('2020-01-01')")


def test_role_is_made_once_and_repaired(role_name: str, database_url: str) -> None:
    """Ensuring a role twice is harmless, and takes back rights that it should not have."""
    role = AppRole(name=role_name, password="first")
    with psycopg.connect(database_url) as connection:
        ensure_role(connection, role)
        connection.execute(f"GRANT TRUNCATE ON agents TO {role_name}".encode())
        ensure_role(connection, role)
    assert rights(database_url, role_name) == {"SELECT", "INSERT", "UPDATE", "DELETE"}


def test_password_is_changed_only_when_given(role_name: str, database_url: str) -> None:
    """A role keeps its password when it is ensured without one."""
    stored = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role_name}'"  # noqa: S608
    with psycopg.connect(database_url) as connection:
        ensure_role(connection, AppRole(name=role_name, password="first"))
        connection.commit()
        before = query(database_url, stored)
        ensure_role(connection, AppRole(name=role_name))
    assert query(database_url, stored) == before


def test_iam_role_joins_rds_iam(role_name: str, cluster: Cluster, database_url: str) -> None:
    """Where the server has the role rds_iam, a role for IAM is made its member."""
    cluster.run("CREATE ROLE {}", "rds_iam")
    try:
        with psycopg.connect(database_url) as connection:
            ensure_role(connection, AppRole(name=role_name, iam=True))
        assert query(database_url, f"SELECT pg_has_role('{role_name}', 'rds_iam', 'MEMBER')") == [(True,)]
    finally:
        cluster.run("DROP ROLE {}", "rds_iam")


def test_owner_need_not_be_superuser(role_name: str, cluster: Cluster, empty_database_url: str) -> None:
    """The owner of the database, with the right to create roles and no more, migrates and makes the role."""
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE EXTENSION vector")  # managed servers let their master user do this
        connection.execute(f"CREATE ROLE {role_name} LOGIN CREATEROLE PASSWORD 'test-only'".encode())
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} OWNER TO {role_name}".encode())
    assert migrate(cluster.url_of(name, f"{role_name}:test-only"), app_role=AppRole()) == newest()
    app = Database(cluster.url_of(name, f"{APP_ROLE.name}:{APP_ROLE.password}"))
    insert(app, "agents")
    assert partitions.ensure(app, months_ahead=4, retention_months=24).created
    app.close()


def test_role_that_may_not_be_made_is_a_clear_error(role_name: str, app_database_url: str) -> None:
    """A user without the right to create roles is told which role to create by hand."""
    with psycopg.connect(app_database_url) as connection, pytest.raises(Conflict, match=role_name):
        ensure_role(connection, AppRole(name=role_name))
