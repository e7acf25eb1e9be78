"""The SQL of stages that wait or are held: from the wait to the answer, the timer and the release."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.aws.queues import MAX_DELAY_S
from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Database
from steersman.tasks.attempts import Attempt
from steersman.tasks.log_store import Fact, facts_of
from steersman.tasks.named_sql import sql
from steersman.tasks.ways import Awaiting

AHEAD_S = 60.0  # the sweep comes each minute: it sends what is due until the next one
RELEASE_BATCH = 1000  # stages that one statement lets go on


def wait(database: Database, waits: Sequence[tuple[Attempt, Awaiting]]) -> list[Fact]:
    """Set claimed attempts waiting, whose leases are held; return the facts."""
    ordered = sorted(waits, key=lambda one: (one[0].job.task_id.int, one[0].job.stage))
    starts = [attempt.row["started_at"] for attempt, _ in ordered]
    dues = [one.due_at for _, one in ordered]
    # What comes by a delayed message is looked at only should that be lost.
    looks = [
        due and (due + timedelta(seconds=AHEAD_S) if (due - start).total_seconds() <= MAX_DELAY_S else due)
        for due, start in zip(dues, starts, strict=True)
    ]
    values = {
        **_leases([attempt for attempt, _ in ordered]),
        "due": texts(_text(due) for due in dues),
        "look": texts(_text(look) for look in looks),
        "errors": documents(one.error for _, one in ordered),
        "details": documents(dict(one.detail) for _, one in ordered),
    }
    return facts_of(database.tuples(sql("await"), values, repeatable=True))


def unspent(database: Database, task_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Let stages of these tasks go on that began to wait for a budget when it was just being raised.

    Returns what is to be sent: task_id, stage, queue, attempt, priority.
    """
    return database.run(
        sql("unspent"), {"task_ids": ids(sorted(task_ids)), "count": len(task_ids)}, repeatable=True
    )


def hold(database: Database, attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Give claimed attempts back, to be held until `release`.

    Returns those that nothing holds any more, and which are to be sent: task_id, project_id, stage, queue, attempt,
    priority.
    """
    ordered = sorted(attempts, key=lambda attempt: (attempt.job.task_id.int, attempt.job.stage))
    return database.run(sql("hold"), _leases(ordered), repeatable=True)


def settle(database: Database, task_ids: Sequence[UUID]) -> None:
    """Note of tasks that they only wait now, where that is so."""
    values = {"task_ids": ids(sorted(task_ids)), "count": len(task_ids)}

    def when_nobody_else_does() -> None:
        database.tuples(sql("lock"), values)
        database.tuples(sql("settle"), values)

    database.together(when_nobody_else_does)


def amend(
    database: Database, task_id: UUID, changes: Mapping[str, Any], *, deadline_s: float | None
) -> list[dict[str, Any]] | None:
    """Change constraints of an open task; return what goes on by that and is to be sent, or None: it is not open."""
    values = {"task_id": task_id, "changes": Jsonb(dict(changes)), "deadline_s": deadline_s}

    def after_others() -> list[dict[str, Any]]:
        # What just begins to wait either is seen by this, or sees it (sql/unspent.sql).
        database.run("SELECT FROM task_histories WHERE id = %(id)s FOR UPDATE", {"id": task_id})
        return database.run(sql("amend"), values)

    rows = database.together(after_others)
    return [row for row in rows if row["task_id"] is not None] if rows else None


def projects_waiting_for_day(database: Database) -> list[UUID]:
    """Return the projects of which stages wait because a budget of the day was spent."""
    rows = database.run("SELECT DISTINCT project_id FROM task_timers WHERE day_budget")
    return [row["project_id"] for row in rows]


def release_day(database: Database, project_id: UUID) -> tuple[int, list[dict[str, Any]]]:
    """Let stages go on that wait for a project's budget of the day, oldest first.

    Return how many of those noted were looked at (RELEASE_BATCH: there may be more), and what is to be sent.
    """
    rows = database.run(sql("release_day"), {"project_id": project_id, "limit": RELEASE_BATCH})
    return rows[0]["taken"], [row for row in rows if row["task_id"] is not None]


def approvals(
    database: Database,
    project_id: UUID,
    *,
    after: tuple[UUID, str] | None,
    limit: int,
    only_task: UUID | None = None,
) -> list[dict[str, Any]]:
    """Return stages of a project that wait for an answer, oldest tasks first: those behind `after` (task, stage).

    Rows: task_id, stage, template_id, template, template_version, only_stage, awaited_at, until, waited_s, labels.
    """
    statement = """
        SELECT m.task_id, m.stage, t.template_id, t.template_name AS template, t.template_version, t.only_stage,
               s.awaited_at, s.ready_at AS until, t.labels,
               extract(epoch FROM clock_timestamp() - s.awaited_at)::float8 AS waited_s
        FROM task_timers m
        JOIN task_stages s ON s.task_id = m.task_id AND s.name = m.stage
        JOIN task_histories t ON t.id = m.task_id
        WHERE m.project_id = %(project_id)s AND (m.task_id, m.stage) > (%(task_id)s, %(stage)s)
          AND (%(only_task)s::uuid IS NULL OR m.task_id = %(only_task)s)
          AND s.status = 'awaiting' AND s.capability = 'approval' AND s.error IS NULL
        ORDER BY m.task_id, m.stage LIMIT %(limit)s"""
    task_id, stage = after or (UUID(int=0), "")
    place = {"task_id": task_id, "stage": stage, "only_task": only_task}
    return database.run(statement, {"project_id": project_id, "limit": limit, **place})


def answer(
    database: Database, task_id: UUID, stage: str, given: Mapping[str, Any], detail: Mapping[str, Any]
) -> list[Fact]:
    """Give a waiting stage its answer; return the facts, none when it does not wait for one."""
    values = {"task_id": task_id, "stage": stage, "answer": Jsonb(dict(given)), "detail": Jsonb(dict(detail))}
    return facts_of(database.tuples(sql("answer"), values))


def waiting(database: Database, task_id: UUID, stage: str) -> dict[str, Any] | None:
    """Return a stage as far as its wait goes: project_id, status, answer, template_id, waited_s; None: there is none.

    `waited_s` is None while it has not asked yet.
    """
    statement = """
        SELECT s.project_id, s.status, s.answer, t.template_id,
               extract(epoch FROM clock_timestamp() - s.awaited_at)::float8 AS waited_s
        FROM task_stages s JOIN task_histories t ON t.id = s.task_id
        WHERE s.task_id = %(task_id)s AND s.name = %(stage)s"""
    rows = database.run(statement, {"task_id": task_id, "stage": stage})
    return rows[0] if rows else None


def due_timers(database: Database, *, limit: int, batch: int = 1000) -> list[dict[str, Any]]:
    """Return what about `limit` timers near their time are for (sql/timers.sql), and move them on.

    Those that nobody needs any more are forgotten on the way, `batch` at a time, so that they hold up no other.
    """
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        rows = database.run(sql("timers"), {"ahead_s": AHEAD_S, "limit": batch})
        found += [row for row in rows if row["acts"]]
        if len(rows) < batch:
            break
    return found


def look_again(database: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    """Have the next sweep look at the timers of these stages (task_id, stage), which were moved on."""
    statement = """
        UPDATE task_timers m SET due_at = now()
        FROM (SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[]) AS r (task_id, stage)
              ORDER BY task_id, stage LIMIT %(count)s) r
        WHERE m.task_id = r.task_id AND m.stage = r.stage"""
    values = {
        "task_ids": ids(row["task_id"] for row in rows),
        "stages": plain(row["stage"] for row in rows),
        "count": len(rows),
    }
    database.run(statement, values, repeatable=True)


def next_look(database: Database) -> datetime | None:
    """Return when the sweep is to look at timers next, by the database's clock, or None when there is none."""
    due: datetime | None = database.run("SELECT min(due_at) AS due FROM task_timers")[0]["due"]
    return None if due is None else due - timedelta(seconds=AHEAD_S)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _leases(attempts: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "count": len(attempts),
        "task_ids": ids(attempt.job.task_id for attempt in attempts),
        "stages": plain(attempt.job.stage for attempt in attempts),
        "leases": ids(attempt.lease.lease_id for attempt in attempts),
    }
