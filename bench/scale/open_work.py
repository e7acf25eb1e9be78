"""Open work beside the history, for the sweep to look at."""

from dataclasses import dataclass
from typing import Any

import psycopg

from bench.scale import course
from bench.scale.history import Places

LABEL = "open-work"  # the correlation id of these tasks


@dataclass(frozen=True)
class Shape:
    """100,000 open stages: of `tasks` tasks, whose stages to position `ended` have ended, to `active` wait or run."""

    name: str
    tasks: int
    ended: int
    active: int


SHAPES = (
    Shape("behind_intent", tasks=20_000, ended=1, active=3),
    Shape(
        "last_stage", tasks=100_000, ended=5, active=6
    ),  # the most tasks that 100,000 open stages can be of
)

# Accepted during the last two hours; of what is active every third task's stages run and the others' wait.
_TASKS = """
INSERT INTO task_histories (id, project_id, template_id, template_name, template_version, status, input, requested_by,
  requested_through, correlation_id, open_sinks, deadline_at, started_at, created_at, updated_at)
SELECT (left(first_id_at(at)::text, 14) || '7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, %(project)s, %(template)s,
       'research_dag', 1, 'running', '{"question": "why?"}', 'bench', 'api', %(label)s, 1, now() + interval '1 hour',
       at, at, at
FROM generate_series(1, %(count)s) AS n
CROSS JOIN LATERAL (SELECT now() - interval '5 minutes' - n * interval '2 hours' / %(count)s AS at) AS moments
"""
_STAGES = """
INSERT INTO task_stages (task_id, project_id, name, position, queue, capability, status, pending_needs, output,
  ready_at, started_at, started_id, finished_at, lease_id, lease_expires_at, created_at)
SELECT t.id, t.project_id, s.name, s.position - 1, s.queue, %(capability)s,
       CASE WHEN s.position <= %(ended)s THEN 'completed' WHEN s.position > %(active)s THEN 'pending'
            WHEN is_running THEN 'running' ELSE 'ready' END,
       CASE WHEN s.position > %(active)s THEN 1 ELSE 0 END,
       CASE WHEN s.position <= %(ended)s THEN '{"topics": ["contracts"]}'::jsonb END,
       CASE WHEN s.position <= %(active)s THEN now() END, CASE WHEN has_started THEN now() END,
       CASE WHEN has_started THEN nextval('task_stage_logs_id') END, CASE WHEN s.position <= %(ended)s THEN now() END,
       CASE WHEN has_started THEN gen_random_uuid() END,
       CASE WHEN has_started AND s.position > %(ended)s THEN now() + interval '5 minutes' END, t.created_at
FROM (SELECT *, row_number() OVER () %% 3 = 0 AS is_running FROM task_histories WHERE correlation_id = %(label)s
      AND id > first_id_at(now() - interval '3 hours')) AS t
CROSS JOIN unnest(%(names)s::text[], %(queues)s::text[]) WITH ORDINALITY AS s (name, queue, position)
CROSS JOIN LATERAL (SELECT s.position <= %(ended)s OR s.position <= %(active)s AND is_running AS has_started) AS d
"""
_MINE = "SELECT id FROM task_histories WHERE correlation_id = %(label)s AND id > first_id_at(now() - interval '3 hours')"  # noqa: E501
_LOST = f"""
UPDATE task_stages SET ready_at = now() - interval '1 hour',
  lease_expires_at = CASE WHEN status = 'running' THEN now() - interval '1 hour' END
WHERE status IN ('ready', 'running') AND task_id IN ({_MINE})
"""  # noqa: S608 - fixed words
_OVERDUE = f"UPDATE task_histories SET deadline_at = now() - interval '1 second' WHERE id IN ({_MINE})"  # noqa: S608


class OpenTasks:
    """Open tasks of a shape in the database at `url`, added and removed again."""

    def __init__(self, url: str, places: Places, shape: Shape) -> None:
        self._url = url
        self._places = places
        self._shape = shape

    def add(self) -> None:
        """Add them, all well: on their way, or under a lease that holds."""
        values = {
            "project": self._places.projects["default"],
            "template": self._places.templates["default", "research_dag"],
            "count": self._shape.tasks,
            "ended": self._shape.ended,
            "active": self._shape.active,
            "capability": course.CAPABILITY,
            "names": [stage["name"] for stage in course.STAGES],
            "queues": [stage["queue"] for stage in course.STAGES],
        }
        self._run(_TASKS, values)
        self._run(_STAGES, values)
        for table in ("task_histories", "task_stages"):
            self._run(f"VACUUM (ANALYZE) {table}")

    def lose(self) -> None:
        """Let every message be lost and every lease have run out."""
        self._run(_LOST)

    def expire(self) -> None:
        """Let every deadline have passed."""
        self._run(_OVERDUE)

    def remove(self) -> None:
        """Delete them with their logs."""
        for table, key in (
            ("task_stage_logs", "task_id"),
            ("task_stages", "task_id"),
            ("task_histories", "id"),
        ):
            self._run(f"DELETE FROM {table} WHERE {key} IN ({_MINE})")  # noqa: S608 - fixed words
            self._run(f"VACUUM (ANALYZE) {table}")

    def _run(self, statement: str, values: dict[str, Any] | None = None) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement, {**(values or {}), "label": LABEL})
