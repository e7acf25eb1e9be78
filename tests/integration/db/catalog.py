"""What PostgreSQL's catalog says about a database, in forms that can be compared."""
# ruff: noqa: S608 - the statements below are put together from this file's own texts

from typing import Any

import psycopg

TABLES = "relnamespace = 'public'::regnamespace AND NOT relispartition AND relname <> 'alembic_version'"

COLUMNS = f"""
  SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attgenerated::text,
         pg_get_expr(adbin, adrelid)
  FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE {TABLES} AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
"""
CONSTRAINTS = f"""
  SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid)
  FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid WHERE {TABLES}
"""
INDEXES = f"""
  SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
  WHERE {TABLES} AND relkind IN ('r', 'p')
"""
PARTITION_KEYS = f"""
  SELECT relname, pg_get_partkeydef(oid) FROM pg_class WHERE {TABLES} AND relkind = 'p'
"""
SEQUENCES = f"SELECT relname FROM pg_class WHERE {TABLES} AND relkind = 'S'"

DESCRIPTION = {
    "columns": COLUMNS,
    "constraints": CONSTRAINTS,
    "indexes": INDEXES,
    "partition keys": PARTITION_KEYS,
    "sequences": SEQUENCES,
}

OBJECTS = """
  SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION SELECT 'type', typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
  UNION SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION SELECT 'operator', oprname::text FROM pg_operator WHERE oprnamespace = 'public'::regnamespace
  UNION SELECT 'extension', extname::text FROM pg_extension
  UNION SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname NOT LIKE 'pg_temp%'
"""


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement on the database at `url` and return its rows."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def describe(url: str) -> dict[str, set[tuple[Any, ...]]]:
    """Return what the tables of the database at `url` are made of, part by part."""
    return {part: set(query(url, statement)) for part, statement in DESCRIPTION.items()}


def objects(url: str) -> set[tuple[Any, ...]]:
    """Return kind and name of everything in the database at `url` but Alembic's own version table."""
    ours = query(url, OBJECTS)
    return {(kind, name) for kind, name in ours if "alembic_version" not in name}
