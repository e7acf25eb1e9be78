"""The migrated schema: equal to its description, and kept to the rules of the house."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from steersman.db.connection import Database
from steersman.db.tables import metadata
from steersman.errors import Conflict
from tests.fixtures.databases import sqlalchemy_url
from tests.integration.db.catalog import describe, query
from tests.integration.db.rows import insert

FOREIGN_KEYS_WITHOUT_INDEX = """
  SELECT conrelid::regclass::text, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
  WHERE contype = 'f' AND NOT relispartition AND NOT EXISTS (
    SELECT FROM pg_index
    WHERE indrelid = conrelid AND indpred IS NULL AND indisvalid
      AND (string_to_array(indkey::text, ' ')::smallint[])[1:cardinality(conkey)] = conkey
  )
"""
TABLES_WITHOUT_PROJECT_INDEX = """
  SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
  WHERE attname = 'project_id' AND relkind IN ('r', 'p') AND NOT relispartition AND NOT EXISTS (
    SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indkey[0] = attnum
    AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = '(parent_task_id IS NULL)')
  )
"""
# Only ever reached by the task's id, whose row says the project; one more index would slow the engine down. Tasks that
# belong to another are reached by that one's id.
REACHED_BY_TASK = {"task_stages", "task_stage_logs", "task_timers"}

TOUCHED = sorted(table.name for table in metadata.tables.values() if "updated_at" in table.c)


def test_alembic_finds_no_difference(database_url: str) -> None:
    """Alembic, comparing the models with the migrated database, has nothing to change."""
    # Defaults are compared by the next test: Alembic runs them, and a sequence never gives a value twice.
    partitions = {
        name for (name,) in query(database_url, "SELECT relname FROM pg_class WHERE relispartition")
    }
    options = {
        "include_name": lambda name, kind, _: kind != "table" or name not in {*partitions, "alembic_version"},
    }
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    assert differences == []


@pytest.mark.parametrize("part", ["columns", "constraints", "indexes", "partition keys", "sequences"])
def test_models_make_the_migrated_catalog(part: str, database_url: str, empty_database_url: str) -> None:
    """Tables made from the models are, in PostgreSQL's own words, those that the migrations make."""
    engine = create_engine(sqlalchemy_url(empty_database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION vector")
        metadata.create_all(connection)
    engine.dispose()
    assert describe(empty_database_url)[part] == describe(database_url)[part]


def test_every_foreign_key_has_an_index(database_url: str) -> None:
    """Each foreign key's columns lead a whole index, so that deleting a parent never scans its children."""
    assert query(database_url, FOREIGN_KEYS_WITHOUT_INDEX) == []


def test_project_leads_an_index_of_every_table(database_url: str) -> None:
    """Each table with project_id has an index led by it, save those that are reached through their task."""
    assert {name for (name,) in query(database_url, TABLES_WITHOUT_PROJECT_INDEX)} == REACHED_BY_TASK


@pytest.mark.parametrize("table", TOUCHED)
def test_update_touches_the_times(table: str, database: Database) -> None:
    """An update sets updated_at to now and leaves created_at as it was, whatever the statement says."""
    old = "2020-01-01T00:00:00Z"
    before = insert(database, table, created_at=old, updated_at=old)
    after = database.run(
        f"UPDATE {table} SET updated_at = %(old)s, created_at = now()"  # noqa: S608 - a table of the models
        f" WHERE created_at = %(old)s RETURNING created_at, updated_at, now() AS moment",
        {"old": old},
    )
    assert [row["created_at"] for row in after] == [before["created_at"]]
    assert [row["updated_at"] for row in after] == [row["moment"] for row in after]


def test_template_versions_are_immutable(database: Database) -> None:
    """A published template version cannot be changed, not even by the owner of the tables."""
    insert(database, "task_dag_templates", description="as published")
    with pytest.raises(Conflict, match="immutable"):
        database.run("UPDATE task_dag_templates SET description = 'changed'")
    assert database.run("SELECT description FROM task_dag_templates") == [{"description": "as published"}]


def test_default_project_is_there(database: Database) -> None:
    """A migrated database has the default project and no other row."""
    assert [row["slug"] for row in database.run("SELECT slug FROM projects")] == ["default"]
    others = [name for name in metadata.tables if name != "projects"]
    counts = " UNION ALL ".join(f"SELECT count(*) AS rows FROM {name}" for name in others)  # noqa: S608
    assert {row["rows"] for row in database.run(counts)} == {0}


def test_a_chunk_is_found_by_its_words(database: Database) -> None:
    """The search column follows heading and passage by itself, in their stemmed forms."""
    insert(database, "document_chunks", heading="Leases", passage="A worker renews what it holds")
    found = database.run(
        "SELECT heading FROM document_chunks WHERE search @@ to_tsquery('english', 'renew & lease')"
    )
    assert found == [{"heading": "Leases"}]
