"""The SQL of pauses: of tasks, templates and queues."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database
from steersman.tasks.log_store import Fact, facts_of
from steersman.tasks.named_sql import sql

BATCH = 1000


def known(database: Database) -> frozenset[tuple[int, str, str]]:
    """Return every pause of a template or queue: the project's id as a number, scope, name."""
    rows = database.run("SELECT project_id, scope, name FROM pauses")
    return frozenset((row["project_id"].int, row["scope"], row["name"]) for row in rows)


def page(database: Database, project_id: UUID) -> list[dict[str, Any]]:
    """Return the pauses of a project: scope, name, by, reason, created_at."""
    statement = """
        SELECT scope, name, by, reason, created_at FROM pauses
        WHERE project_id = %(project_id)s ORDER BY scope, name"""
    return database.run(statement, {"project_id": project_id})


def add(
    database: Database, project_id: UUID, scope: str, name: str, *, by: str, reason: str | None
) -> dict[str, Any]:
    """Note a pause; one that is there already stays as it is. Returns it, and whether it is `added`."""
    statement = """
        WITH added AS (
          INSERT INTO pauses (project_id, scope, name, by, reason)
          VALUES (%(project_id)s, %(scope)s, %(name)s, %(by)s, %(reason)s)
          ON CONFLICT DO NOTHING RETURNING scope, name, by, reason, created_at
        )
        SELECT *, true AS added FROM added
        UNION ALL
        SELECT scope, name, by, reason, created_at, false FROM pauses
        WHERE project_id = %(project_id)s AND scope = %(scope)s AND name = %(name)s
        LIMIT 1"""
    values = {"project_id": project_id, "scope": scope, "name": name, "by": by, "reason": reason}
    return database.run(statement, values)[0]


def remove(database: Database, project_id: UUID, scope: str, name: str) -> bool:
    """End a pause; say whether there was one."""
    statement = """
        DELETE FROM pauses WHERE project_id = %(project_id)s AND scope = %(scope)s AND name = %(name)s
        RETURNING name"""
    return bool(database.run(statement, {"project_id": project_id, "scope": scope, "name": name}))


def release(database: Database, project_id: UUID, scope: str, name: str) -> list[dict[str, Any]]:
    """Let up to BATCH held stages of a template or queue go on: rows task_id, stage, queue, attempt, priority."""
    values = {"project_id": project_id, "scope": scope, "name": name, "limit": BATCH}
    return database.run(sql("release"), values)


def pause(database: Database, task_id: UUID, *, by: str, reason: str | None) -> list[Fact]:
    """Pause an open task and the open tasks that it started; return the facts, none when it is paused already."""
    paused = {"by": by, **({"reason": reason} if reason else {})}

    def when_none_spreads() -> list[tuple[Any, ...]]:
        database.run("SELECT FROM task_histories WHERE id = %(id)s FOR UPDATE", {"id": task_id})
        return database.tuples(sql("pause"), {"task_id": task_id, "paused": Jsonb(paused)})

    return facts_of(database.together(when_none_spreads))


def resume(database: Database, task_id: UUID, *, by: str) -> tuple[list[Fact], list[dict[str, Any]]]:
    """Let a paused task and those that it started go on: the facts, and what is to be sent."""

    def release() -> tuple[list[Fact], list[dict[str, Any]]]:
        facts = facts_of(database.tuples(sql("resume"), {"task_id": task_id, "by": by}))
        values = {"task_ids": [fact.task_id for fact in facts]}
        return facts, database.run(sql("release_tasks"), values) if facts else []

    return database.together(release)
