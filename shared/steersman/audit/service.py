"""The audit for people: who changed what, newest first."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from steersman.audit import store
from steersman.db.connection import Database
from steersman.http import cursors


def page(
    database: Database, project_id: UUID, *, filters: Mapping[str, str | None], cursor: str | None, limit: int
) -> dict[str, Any]:
    """Return {"entries", "next_cursor"}, newest first. `filters` as in `store.page`."""
    before = cursors.decode_id("audit", cursor)
    rows = store.page(database, project_id, filters=filters, before=before, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    return {"entries": rows, "next_cursor": cursors.encode("audit", str(rows[-1]["id"])) if more else None}
