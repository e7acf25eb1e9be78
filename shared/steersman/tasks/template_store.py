"""The SQL of templates: versions are added, never changed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database
from steersman.tasks.template import Template


def publish(
    database: Database,
    project_id: UUID,
    template_id: UUID,
    template: Template,
    *,
    created_by: str,
    state_machine: str | None = None,
) -> dict[str, Any]:
    """Store a template as the next version of its name; the same text as the newest version is that version.

    With a `state_machine` it is a new version also where the newest has none: versions never change.
    """
    statement = """
        WITH newest AS (
          SELECT id, version, spec, created_at, created_by, state_machine FROM task_dag_templates
          WHERE project_id = %(project_id)s AND name = %(name)s ORDER BY version DESC LIMIT 1
        ), added AS (
          INSERT INTO task_dag_templates (id, project_id, name, version, description, spec, created_by, state_machine)
          SELECT %(id)s, %(project_id)s, %(name)s, coalesce((SELECT version FROM newest), 0) + 1, %(description)s,
                 %(spec)s, %(created_by)s, %(state_machine)s
          WHERE NOT EXISTS (
            SELECT FROM newest WHERE spec = %(spec)s AND (state_machine IS NOT NULL OR %(state_machine)s::text IS NULL))
          RETURNING id, version, spec, created_at, created_by, state_machine
        )
        SELECT *, true AS added FROM added
        UNION ALL SELECT *, false FROM newest WHERE NOT EXISTS (SELECT FROM added)"""
    parameters = {
        "id": template_id,
        "project_id": project_id,
        "name": template.name,
        "description": template.description,
        "spec": Jsonb(spec_of(template)),
        "created_by": created_by,
        "state_machine": state_machine,
    }
    return database.run(statement, parameters)[0]


def spec_of(template: Template) -> dict[str, Any]:
    """Return a template as it is stored."""
    return template.model_dump(mode="json", exclude_defaults=True)


def page(
    database: Database, project_id: UUID, *, after: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return the newest version of each template of a project by name: id, name, version, versions, spec, …"""
    statement = """
        SELECT DISTINCT ON (name) id, name, version, description, spec, created_by, created_at
        FROM task_dag_templates
        WHERE project_id = %(project_id)s AND (%(after)s::text IS NULL OR name > %(after)s)
        ORDER BY name, version DESC LIMIT %(limit)s"""
    return database.run(statement, {"project_id": project_id, "after": after, "limit": limit})


def find(
    database: Database, project_id: UUID, name: str, version: int | None = None
) -> dict[str, Any] | None:
    """Return one version of a template (None: the newest), or None where there is none."""
    statement = """
        SELECT id, name, version, description, spec, created_by, created_at, state_machine FROM task_dag_templates
        WHERE project_id = %(project_id)s AND name = %(name)s AND (%(version)s::int IS NULL OR version = %(version)s)
        ORDER BY version DESC LIMIT 1"""
    rows = database.run(statement, {"project_id": project_id, "name": name, "version": version})
    return rows[0] if rows else None


def open_tasks(database: Database, project_id: UUID, name: str) -> dict[int, int]:
    """Return how many tasks are open on each version of a template that has any."""
    statement = """
        SELECT template_version, count(*) AS tasks FROM task_histories
        WHERE project_id = %(project_id)s AND template_name = %(name)s
          AND status IN ('pending', 'running', 'awaiting', 'retrying')
        GROUP BY template_version ORDER BY template_version"""
    rows = database.run(statement, {"project_id": project_id, "name": name})
    return {row["template_version"]: row["tasks"] for row in rows}


def open_tasks_by_status(database: Database, project_id: UUID, name: str) -> list[dict[str, Any]]:
    """Return, for each version of a template that has open tasks, how many are in each of their statuses."""
    statement = """
        SELECT template_version AS version,
               count(*) FILTER (WHERE status = 'pending') AS pending,
               count(*) FILTER (WHERE status = 'running') AS running,
               count(*) FILTER (WHERE status = 'awaiting') AS awaiting,
               count(*) FILTER (WHERE status = 'retrying') AS retrying
        FROM task_histories
        WHERE project_id = %(project_id)s AND template_name = %(name)s
          AND status IN ('pending', 'running', 'awaiting', 'retrying')
        GROUP BY template_version ORDER BY template_version"""
    return database.run(statement, {"project_id": project_id, "name": name})


def starting(database: Database, project_id: UUID, name: str) -> list[dict[str, Any]]:
    """Return the stages that start a template as a task of their own: template, version, stage.

    Only the newest version of each template is looked at.
    """
    statement = """
        SELECT t.name AS template, t.version, stage ->> 'name' AS stage
        FROM (SELECT DISTINCT ON (name) name, version, spec FROM task_dag_templates
              WHERE project_id = %(project_id)s ORDER BY name, version DESC) t
        CROSS JOIN LATERAL jsonb_array_elements(t.spec -> 'stages') WITH ORDINALITY AS s (stage, place)
        WHERE stage #>> '{task,template}' = %(name)s ORDER BY t.name, place"""
    return database.run(statement, {"project_id": project_id, "name": name})


def by_id(database: Database, template_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return published versions by id: id, version, spec, state_machine."""
    statement = "SELECT id, version, spec, state_machine FROM task_dag_templates WHERE id = ANY(%(ids)s)"
    return database.run(statement, {"ids": list(template_ids)})


def resolve(
    database: Database, project_id: UUID, asked: Sequence[tuple[str, int | None]]
) -> list[dict[str, Any]]:
    """Return the asked versions (None: the newest) that exist.

    Rows: id, name, version, asked_version, spec, state_machine, now (the time).
    """
    statement = """
        SELECT t.id, t.name, t.version, a.version AS asked_version, t.spec, t.state_machine, clock_timestamp() AS now
        FROM unnest(%(names)s::text[], %(versions)s::int[]) AS a (name, version)
        CROSS JOIN LATERAL (
          SELECT id, name, version, spec, state_machine FROM task_dag_templates
          WHERE project_id = %(project_id)s AND name = a.name AND (a.version IS NULL OR version = a.version)
          ORDER BY version DESC LIMIT 1) AS t"""
    parameters = {
        "project_id": project_id,
        "names": [name for name, _ in asked],
        "versions": [version for _, version in asked],
    }
    return database.run(statement, parameters)
