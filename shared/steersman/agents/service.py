"""The registry for people: list and read agents; and the agents that every installation begins with."""

from typing import Any
from uuid import UUID

from steersman.agents import store
from steersman.db.connection import Database
from steersman.errors import NotFound
from steersman.http import cursors


def page(
    database: Database,
    project_id: UUID,
    *,
    capability: str | None,
    status: str | None,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """Return {"agents", "next_cursor"}: agents that the project may use, with capabilities and measurements."""
    position = cursors.decode_id("agents", cursor)
    rows = store.page(
        database, project_id, capability=capability, status=status, after=position, limit=limit + 1
    )
    more, rows = len(rows) > limit, rows[:limit]
    return {"agents": rows, "next_cursor": cursors.encode("agents", str(rows[-1]["id"])) if more else None}


def get(database: Database, project_id: UUID, agent_id: UUID) -> dict[str, Any]:
    """Return one agent; raise NotFound."""
    row = store.find(database, project_id, agent_id)
    if row is None:
        raise NotFound(f"there is no agent {agent_id}")
    return row
