"""The SQL of the database's health."""

from typing import Any

from steersman.db.connection import Database


def state(database: Database) -> dict[str, Any]:
    """Return the server's version and the schema's revision (None: never migrated)."""
    statement = """
        SELECT current_setting('server_version') AS server,
               CASE WHEN to_regclass('alembic_version') IS NULL THEN NULL ELSE 'known' END AS migrated"""
    found = database.run(statement)[0]
    if found["migrated"] is None:
        return {
            "server": found["server"],
            "status": "down",
            "reason": "the schema is missing: run a migration",
        }
    revision = database.run("SELECT version_num FROM alembic_version")[0]["version_num"]
    return {"server": found["server"], "revision": revision}
