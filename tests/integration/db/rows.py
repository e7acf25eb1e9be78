"""Makes valid rows of any table, so that a test spells out only the values that it is about."""

from collections.abc import Callable
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Column, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from steersman.db.connection import Database
from steersman.db.tables import EMBEDDING_DIMENSIONS, metadata
from steersman.ids import DEFAULT_PROJECT_ID, new_id

SAMPLES: dict[str, Any] = {
    "slug": "sample",
    "queue": "intent",
    "event": "task.submitted",
    "protocol": "http",
    "media_type": "text/plain",
    "sha256": "0" * 64,
    "kind": "document",
    "relation": "supports",
    "requested_through": "api",
    "when_kind": "rate",
    "next_at": "2026-01-01T00:00:00Z",
    "checked_by": "seed",
    "status": "active",
    "scope": "queue",
    "due_at": "2026-01-01T00:00:00Z",
    "failed_at": "2026-01-01T00:00:00Z",
    "credibility": 0.5,
    "strength": 0.5,
    "bucket_start": "2026-01-01T00:00:00Z",
    "embedding": str([1.0] * EMBEDDING_DIMENSIONS),
}
MAKERS: dict[type, Callable[[], Any]] = {Uuid: new_id, Text: lambda: str(new_id()), JSONB: dict}


def insert(database: Database, table_name: str, **values: Any) -> dict[str, Any]:
    """Insert a row of `table_name`, samples and parents for what `values` leave out; return the row."""
    table = metadata.tables[table_name]
    missing = [column for column in table.c if _required(column) and column.name not in values]
    row = {column.name: _sample(database, column) for column in missing} | values
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
        sql.Identifier(table_name),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    return database.run(statement.as_string(), _adapted(table, row))[0]


def _required(column: Column[Any]) -> bool:
    return not column.nullable and column.server_default is None and column.computed is None


def _sample(database: Database, column: Column[Any]) -> Any:
    if column.name == "project_id":
        return DEFAULT_PROJECT_ID
    for key in column.foreign_keys:
        return insert(database, key.column.table.name)["id"]
    if column.name in SAMPLES:
        return SAMPLES[column.name]
    return MAKERS.get(type(column.type), lambda: 1)()


def _adapted(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    def is_json(name: str) -> bool:
        return isinstance(table.c[name].type, JSONB)

    return {name: Jsonb(value) if is_json(name) else value for name, value in row.items()}
