"""A database with a history long enough for plans to be those of a longer one."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.tasks import template_store
from steersman.tasks.planner import Plan
from steersman.tasks.template import parse_template
from tests.fixtures.engine import stage

TASKS = 12_000
BATCH = 100
HISTORY = ("task_histories", "task_stages", "task_stage_logs")
Action = Callable[[Database, list[UUID], Plan], object]

# Tasks over the last 33 days, so of two months at least; few in the project asked about, the newest still open.
FILL = """
WITH made AS (
  SELECT n, n <= %(open)s AS open, now() - make_interval(mins => n * 4) AS at FROM generate_series(1, %(tasks)s) AS n
), named AS (
  SELECT *, CASE WHEN n %% 40 = 0 OR open THEN %(project)s ELSE gen_random_uuid() END AS project_id,
         (left(first_id_at(at)::text, 14) || '7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id
  FROM made
), tasks AS (
  INSERT INTO task_histories (id, project_id, template_id, template_name, template_version, status, priority, input,
    labels, requested_by, requested_through, correlation_id, open_sinks, deadline_at, created_at, finished_at)
  SELECT id, project_id, %(template)s, 'sample' || n / 40 %% 5, 1, CASE WHEN open THEN 'running' ELSE 'completed' END,
         CASE n / 40 %% 50 WHEN 0 THEN 'critical' ELSE 'medium' END,
         jsonb_build_object('text', repeat('x', 800)), jsonb_build_object('customer', n / 40 %% 100),
         'test', 'api', 'test', open::int, at + interval '1 year', at, CASE WHEN open THEN NULL ELSE at END
  FROM named
), stages AS (
  INSERT INTO task_stages (task_id, project_id, name, position, queue, capability, status, pending_needs, output,
    ready_at, lease_expires_at)
  SELECT id, project_id, s.name, s.position, 'executor', 'test.do',
         CASE WHEN open THEN s.status ELSE 'completed' END, 0,
         jsonb_build_object('text', repeat('x', 500)), at, CASE WHEN s.status = 'running' THEN at END
  FROM named CROSS JOIN (VALUES ('a', 0, 'completed'), ('b', 1, 'ready'), ('c', 2, 'running'), ('d', 3, 'pending'))
         AS s (name, position, status)
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event)
SELECT id, project_id, 'a', e.event
FROM named CROSS JOIN (VALUES ('stage.ready'), ('stage.started'), ('stage.completed')) AS e (event)
"""


class Watched(Database):
    """A database that notes the statements it runs."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seen: list[tuple[str, Mapping[str, Any]]] = []

    def run(
        self, statement: str, parameters: Mapping[str, Any] | None = None, **more: Any
    ) -> list[dict[str, Any]]:
        self.seen.append((statement, parameters or {}))
        return super().run(statement, parameters, **more)

    def tuples(
        self, statement: str, parameters: Mapping[str, Any] | None = None, **more: Any
    ) -> list[tuple[Any, ...]]:
        self.seen.append((statement, parameters or {}))
        return super().tuples(statement, parameters, **more)


class History:
    """A database with a history, and what a test asks of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Watched(url)
        document = {
            "name": "sample",
            "stages": [stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c")],
        }
        template = parse_template(document)
        row = template_store.publish(self.database, DEFAULT_PROJECT_ID, new_id(), template, created_by="test")
        self.plan = Plan(row["id"], row["version"], template)
        self.fill()

    def fill(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            wanted = {"tasks": TASKS, "open": BATCH, "project": DEFAULT_PROJECT_ID}
            connection.execute(FILL, {**wanted, "template": self.plan.template_id})
            for table in HISTORY:
                connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))

    def open_tasks(self, limit: int = BATCH) -> list[UUID]:
        rows = self.database.run(
            "SELECT id FROM task_histories WHERE status = 'running' ORDER BY id DESC LIMIT %(limit)s",
            {"limit": limit},
        )
        return [row["id"] for row in rows]

    def statements(self, action: Action) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the statements that an action of the store runs, with their parameters."""
        tasks = self.open_tasks()
        self.database.seen.clear()
        action(self.database, tasks, self.plan)
        return list(self.database.seen)

    def partial_indexes(self) -> set[str]:
        """Return the names of the indexes that hold a few rows only, by their condition."""
        rows = self.database.run(
            "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indpred IS NOT NULL"
        )
        return {row["name"] for row in rows}

    def filled(self) -> set[str]:
        """Return the names of the partitions that hold rows."""
        return {
            row["name"]
            for parent in HISTORY
            for row in self.database.run(f"SELECT DISTINCT tableoid::regclass::text AS name FROM {parent}")  # noqa: S608
        }
