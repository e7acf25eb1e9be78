"""The SQL of the sweep: which stages are stranded, and whether anything is open at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from steersman.db.arrays import ids, plain
from steersman.db.connection import Database
from steersman.tasks.named_sql import sql

FIRST = UUID(int=0)  # comes before every id


@dataclass(frozen=True)
class Window:
    """Stranded stages among some open tasks, and the task behind which the next window begins (None: there is none)."""

    rows: list[dict[str, Any]]
    next_after: UUID | None


def stranded(
    database: Database, *, older_than_s: float, limit: int, after: UUID = FIRST, window: int = 20_000
) -> Window:
    """Return up to `limit` open stages whose message may be lost, or whose task is past its deadline.

    Looks at `window` open tasks behind `after`.
    Rows: task_id, project_id, stage, queue, attempt, priority, deadline_passed.
    """
    bounds = {"older_than_s": older_than_s, "limit": limit, "after": after, "window": window}
    rows = database.run(sql("stranded"), bounds)
    found = [row for row in rows if row["task_id"] is not None]
    return Window(found, rows[0]["reached"] if rows[0]["held"] == window and len(found) < limit else None)


def resent(database: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note that the jobs of these stages (task_id, stage) were sent again now."""
    statement = """
        UPDATE task_stages s SET resent_at = clock_timestamp()
        FROM (SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[]) AS r (task_id, stage) LIMIT %(count)s) r
        WHERE s.task_id = r.task_id AND s.name = r.stage"""
    ordered = sorted(rows, key=lambda row: (row["task_id"].int, row["stage"]))
    keys = {
        "task_ids": ids(row["task_id"] for row in ordered),
        "stages": plain(row["stage"] for row in ordered),
        "count": len(ordered),
    }
    database.run(statement, keys, repeatable=True)


def any_open(database: Database) -> bool:
    """Say whether any task goes on; of those that only wait, timers say when to look."""
    statement = """
        SELECT EXISTS (SELECT FROM task_histories WHERE status IN ('pending', 'running', 'retrying')) AS open"""
    return bool(database.run(statement)[0]["open"])
