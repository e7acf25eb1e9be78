"""The SQL of the agent registry."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.connection import Database

_AGENT = """
    SELECT a.id, a.name, a.version, a.description, a.protocol, a.endpoint, a.status, a.shared, a.tags,
           a.max_concurrency, a.price_per_call_usd, a.price_per_million_tokens_usd, a.created_at, a.updated_at,
           coalesce((SELECT jsonb_agg(jsonb_build_object('name', c.capability, 'version', c.version,
                       'input_schema', c.input_schema, 'output_schema', c.output_schema) ORDER BY c.capability)
                     FROM agent_capabilities c WHERE c.agent_id = a.id), '[]') AS capabilities,
           (SELECT jsonb_build_object('calls', sum(s.calls), 'success_rate',
                     1 - sum(s.failures)::float8 / nullif(sum(s.calls), 0),
                     'duration_ms_mean', sum(s.duration_ms_mean * s.calls) / nullif(sum(s.calls), 0),
                     'cost_usd', sum(s.cost_usd)::text, 'quality_mean', avg(s.quality_mean))
            FROM agent_performance_summary s WHERE s.agent_id = a.id) AS performance
    FROM agents a"""


def active(database: Database) -> list[dict[str, Any]]:
    """Return every active agent with the names of its capabilities: the snapshot that selection works on."""
    statement = """
        SELECT a.id, a.project_id, a.name, a.version, a.protocol, a.endpoint, a.shared, a.max_concurrency,
               a.price_per_call_usd, array_agg(c.capability ORDER BY c.capability) AS capabilities
        FROM agents a JOIN agent_capabilities c ON c.agent_id = a.id
        WHERE a.status = 'active' GROUP BY a.id"""
    return database.run(statement)


def page(
    database: Database,
    project_id: UUID,
    *,
    capability: str | None = None,
    status: str | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return agents that a project may use, oldest first, with capabilities and measured performance."""
    statement = f"""{_AGENT}
        WHERE (a.project_id = %(project_id)s OR a.shared)
          AND (%(status)s::text IS NULL OR a.status = %(status)s)
          AND (%(capability)s::text IS NULL OR EXISTS (
                SELECT FROM agent_capabilities c WHERE c.agent_id = a.id AND c.capability = %(capability)s))
          AND (%(after)s::uuid IS NULL OR a.id > %(after)s)
        ORDER BY a.id LIMIT %(limit)s"""
    return database.run(
        statement,
        {
            "project_id": project_id,
            "capability": capability,
            "status": status,
            "after": after,
            "limit": limit,
        },
    )


def find(database: Database, project_id: UUID, agent_id: UUID) -> dict[str, Any] | None:
    """Return one agent that a project may use, or None."""
    statement = f"{_AGENT} WHERE a.id = %(id)s AND (a.project_id = %(project_id)s OR a.shared)"
    rows = database.run(statement, {"id": agent_id, "project_id": project_id})
    return rows[0] if rows else None


def known_capabilities(database: Database, project_id: UUID) -> frozenset[str]:
    """Return the names of all capabilities that some agent of the project, or a shared one, has."""
    statement = """
        SELECT DISTINCT c.capability FROM agent_capabilities c JOIN agents a ON a.id = c.agent_id
        WHERE a.project_id = %(project_id)s OR a.shared"""
    return frozenset(row["capability"] for row in database.run(statement, {"project_id": project_id}))


def put(database: Database, project_id: UUID, agent_id: UUID, agent: dict[str, Any], *, shared: bool) -> bool:
    """Add an agent with its capabilities and first health entry, or bring its description up to date.

    `agent`: name, version, description, protocol, endpoint, status, capabilities (name, version, input_schema,
    output_schema), optional tags and max_concurrency. What people changed since (status, endpoint) stays. Returns
    whether it is new.
    """
    statement = """
        WITH kept AS (
          INSERT INTO agents (id, project_id, name, version, description, protocol, endpoint, status, shared, tags,
            max_concurrency)
          VALUES (%(id)s, %(project_id)s, %(name)s, %(version)s, %(description)s, %(protocol)s, %(endpoint)s,
                  %(status)s, %(shared)s, %(tags)s, %(max_concurrency)s)
          ON CONFLICT (project_id, name, version) DO UPDATE SET description = excluded.description, tags = excluded.tags
          RETURNING id, project_id, status, (xmax = 0) AS added
        ), capable AS (
          INSERT INTO agent_capabilities (agent_id, project_id, capability, version, input_schema, output_schema)
          SELECT k.id, k.project_id, c.name, c.version, c.input_schema, c.output_schema
          FROM kept k, jsonb_to_recordset(%(capabilities)s)
                 AS c (name text, version text, input_schema jsonb, output_schema jsonb)
          ON CONFLICT (agent_id, capability, version) DO UPDATE SET
            input_schema = excluded.input_schema, output_schema = excluded.output_schema
        ), health AS (
          INSERT INTO agent_health (agent_id, project_id, status, reason, checked_by)
          SELECT id, project_id, status, 'registered', 'seed' FROM kept WHERE added
        )
        SELECT added FROM kept"""
    parameters = {
        "id": agent_id,
        "project_id": project_id,
        "shared": shared,
        "tags": list(agent.get("tags", [])),
        "max_concurrency": agent.get("max_concurrency", 10),
        **{
            name: agent[name] for name in ("name", "version", "description", "protocol", "endpoint", "status")
        },
        "capabilities": Jsonb(agent["capabilities"]),
    }
    return bool(database.run(statement, parameters)[0]["added"])
