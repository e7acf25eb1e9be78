"""What of a request goes with the work that it asks for."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Request:
    """Who asks, through what, and under which Idempotency-Key of which route."""

    requested_by: str
    requested_through: str
    correlation_id: str
    route: str
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    """The answer to keep under an Idempotency-Key, in the transaction that makes it true."""

    project_id: UUID
    route: str
    key: str
    request_hash: str
    response: dict[str, Any]
