"""The SQL of projects' limits: a project without a row, or with nulls in it, has none."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from steersman.db.connection import Database

NAMES = ("max_running_stages", "usd_per_day", "tokens_per_day")
MOST_COUNTED = 10_000  # of the stages that wait for a budget


def find(database: Database, project_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """Return a project's limits (NAMES, updated_by, updated_at), or None where nobody ever set them; `lock` them."""
    statement = f"""
        SELECT max_running_stages, usd_per_day, tokens_per_day, updated_by, updated_at
        FROM project_limits WHERE project_id = %(project_id)s {"FOR UPDATE" if lock else ""}"""  # noqa: S608 - fixed words
    rows = database.run(statement, {"project_id": project_id})
    return rows[0] if rows else None


def put(database: Database, project_id: UUID, limits: Mapping[str, Any], *, by: str) -> None:
    """Set all of a project's limits: those of NAMES that `limits` has no value for are none."""
    statement = """
        INSERT INTO project_limits AS l (project_id, max_running_stages, usd_per_day, tokens_per_day, updated_by)
        VALUES (%(project_id)s, %(max_running_stages)s, %(usd_per_day)s, %(tokens_per_day)s, %(by)s)
        ON CONFLICT (project_id) DO UPDATE SET
          max_running_stages = excluded.max_running_stages, usd_per_day = excluded.usd_per_day,
          tokens_per_day = excluded.tokens_per_day, updated_by = excluded.updated_by"""
    database.run(
        statement, {**{name: limits.get(name) for name in NAMES}, "project_id": project_id, "by": by}
    )


def known(database: Database) -> list[dict[str, Any]]:
    """Return what workers are to know of each project that is limited: project_id, max_running_stages, by_day."""
    statement = """
        SELECT project_id, max_running_stages, num_nonnulls(usd_per_day, tokens_per_day) > 0 AS by_day
        FROM project_limits WHERE num_nonnulls(max_running_stages, usd_per_day, tokens_per_day) > 0"""
    return database.run(statement)


def days(database: Database, project_ids: Iterable[UUID]) -> list[dict[str, Any]]:
    """Return what projects have spent today (UTC), by the database's clock, and may spend.

    Rows: project_id, slug, usd_per_day, tokens_per_day, usd, tokens, until (the end of the day).
    """
    statement = """
        SELECT p.id AS project_id, p.slug, l.usd_per_day, l.tokens_per_day, d.usd, d.tokens,
               date_trunc('day', now(), 'UTC') + interval '24 hours' AS until
        FROM projects p LEFT JOIN project_limits l ON l.project_id = p.id
        CROSS JOIN LATERAL (
          SELECT coalesce(sum(a.cost_usd), 0) AS usd, coalesce(sum(a.tokens), 0)::bigint AS tokens
          FROM agent_performance a
          WHERE a.project_id = p.id AND a.bucket_start >= date_trunc('day', now(), 'UTC')) d
        WHERE p.id = ANY(%(project_ids)s)"""
    return database.run(statement, {"project_ids": list(project_ids)})


def waiting_stages(database: Database, project_id: UUID) -> int:
    """Return how many stages wait because the project's budget of the day is spent; MOST_COUNTED may be more."""
    statement = """
        SELECT count(*) AS stages FROM (
          SELECT FROM task_timers m JOIN task_stages s ON s.task_id = m.task_id AND s.name = m.stage
          WHERE m.project_id = %(project_id)s AND m.day_budget AND s.status = 'awaiting'
          LIMIT %(most)s) w"""
    found: int = database.run(statement, {"project_id": project_id, "most": MOST_COUNTED})[0]["stages"]
    return found
