"""The SQL of listing a project's tasks, page by page."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database
from steersman.tasks.words import Priority

PAGE_BYTES = 4_000_000  # Lambda answers with at most 6 MB
# Measured as Lambda sends it, text within JSON, where each quote takes two bytes; what does not fit stays behind. Of an
# output that lies in the bucket its own bytes are counted.
_FITTING = """
    SELECT * FROM (
      SELECT t.*, lead(t.id) OVER newest_first IS NOT NULL AS more, row_number() OVER newest_first AS place,
             sum(octet_length(to_json(concat(t.labels, t.output, t.error))::text)
                 + coalesce((t.output -> '$payload' ->> 'bytes')::int, 0)) OVER newest_first AS bytes
      FROM ({rows}) t WINDOW newest_first AS (ORDER BY t.id DESC ROWS UNBOUNDED PRECEDING)
    ) t WHERE bytes <= %(bytes)s OR place = 1 ORDER BY id DESC"""


def page(
    database: Database,
    project_id: UUID,
    *,
    filters: dict[str, Any],
    before: UUID | None,
    limit: int,
    outputs: bool = False,
) -> tuple[list[dict[str, Any]], bool]:
    """Return up to `limit` tasks of a project, newest first, older than `before`; and whether more follow.

    `filters`: status, template, priority (exact), labels (contained), created_after, created_before (times).
    With `outputs` each has its output and error; the page then ends before they exceed PAGE_BYTES of an
    answer, but has at least one task.
    """
    conditions = {
        "status": "t.status = %(status)s",
        "template": "t.template_name = %(template)s",
        # Literally, and with what the indexes leave out: else a plan for any value could not use those.
        "priority": f"t.priority = '{Priority(filters.get('priority') or Priority.MEDIUM)}'",
        "labels": "t.labels <> '{}' AND t.labels @> %(labels)s",
        "created_after": "t.id >= first_id_at(greatest(%(created_after)s, timestamptz 'epoch'))",
        "created_before": "t.id < first_id_at(greatest(%(created_before)s, timestamptz 'epoch'))",
    }
    used = {name: value for name, value in filters.items() if value is not None}
    # An array of one, and the project in the order: else the planner may walk the tasks of all projects by id.
    where = " AND ".join(
        [
            "t.project_id = ANY(ARRAY[%(project_id)s]::uuid[])",
            "t.parent_task_id IS NULL",
            *(conditions[name] for name in used),
        ]
    )
    if before is not None:
        where += " AND t.id < %(before)s"
    statement = f"""
        SELECT t.id, t.template_name AS template, t.template_version, t.status, t.priority, t.labels, t.quality_score,
               t.cost_usd, t.tokens, t.deadline_at, t.created_at, t.started_at, t.finished_at, t.updated_at
               {", t.output, t.error" if outputs else ""}
        FROM task_histories t WHERE {where} ORDER BY t.project_id, t.id DESC LIMIT %(limit)s"""  # noqa: S608 - fixed words only
    values = {name: Jsonb(value) if name == "labels" else value for name, value in used.items()}
    rows = database.run(
        _FITTING.format(rows=statement) if outputs else statement,
        {"project_id": project_id, "before": before, "limit": limit + 1, "bytes": PAGE_BYTES, **values},
    )
    return rows[:limit], len(rows) > limit or any(row.get("more", False) for row in rows[-1:])
