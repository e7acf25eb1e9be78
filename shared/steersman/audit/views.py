"""Audit entries as the API shows them."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel

from steersman.http.fields import Moment


class AuditEntry(BaseModel):
    """One change that a person or an agent made: `target` is what was changed, as in `task/<id>`."""

    id: UUID
    at: Moment
    by: str
    action: str
    target: str
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """Entries, newest first; `next_cursor` is null on the last page."""

    entries: list[AuditEntry]
    next_cursor: str | None
