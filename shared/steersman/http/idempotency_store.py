"""The SQL of kept answers."""

from typing import Any

from psycopg.types.json import Jsonb

from steersman.db.connection import Database
from steersman.http.request import KeptAnswer


def find(database: Database, asked: KeptAnswer) -> dict[str, Any] | None:
    """Return request_hash and response under a key, or None."""
    statement = """
        SELECT request_hash, response FROM idempotency_keys
        WHERE project_id = %(project_id)s AND route = %(route)s AND key = %(key)s
          AND created_at > now() - interval '24 hours'"""
    parameters = {"project_id": asked.project_id, "route": asked.route, "key": asked.key}
    rows = database.run(statement, parameters)
    return rows[0] if rows else None


def keep(database: Database, asked: KeptAnswer, response: dict[str, Any]) -> None:
    """Keep the answer to a request; the first one stays."""
    statement = """
        INSERT INTO idempotency_keys (project_id, route, key, request_hash, response)
        VALUES (%(project_id)s, %(route)s, %(key)s, %(request_hash)s, %(response)s)
        ON CONFLICT (project_id, route, key) DO UPDATE
          SET request_hash = excluded.request_hash, response = excluded.response, created_at = now()
          WHERE idempotency_keys.created_at <= now() - interval '24 hours'"""
    database.run(
        statement,
        {
            "project_id": asked.project_id,
            "route": asked.route,
            "key": asked.key,
            "request_hash": asked.request_hash,
            "response": Jsonb(response),
        },
    )


def forget_expired(database: Database) -> int:
    """Delete answers older than 24 hours; return how many."""
    statement = """
        WITH gone AS (DELETE FROM idempotency_keys WHERE created_at <= now() - interval '24 hours' RETURNING 1)
        SELECT count(*) AS gone FROM gone"""
    return int(database.run(statement)[0]["gone"])
