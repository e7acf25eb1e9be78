"""Agents as the API shows them."""

from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from steersman.http.fields import Moment

AgentStatus = Literal["active", "inactive", "maintenance", "error", "scaling"]


class CapabilityView(BaseModel):
    """What an agent can do."""

    name: str
    version: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


class PerformanceView(BaseModel):
    """What was measured of an agent's calls; null where it has had none."""

    calls: int | None
    success_rate: float | None
    duration_ms_mean: float | None
    cost_usd: Decimal | None
    quality_mean: float | None


class AgentView(BaseModel):
    """An agent of the registry."""

    id: UUID
    name: str
    version: str
    description: str
    protocol: Literal["builtin", "http", "a2a", "lambda", "bedrock", "openai", "pull"]
    endpoint: str | None
    status: AgentStatus
    shared: bool
    tags: list[str]
    max_concurrency: int
    price_per_call_usd: Decimal
    price_per_million_tokens_usd: Decimal
    capabilities: list[CapabilityView]
    performance: PerformanceView
    created_at: Moment
    updated_at: Moment


class AgentPage(BaseModel):
    """Agents, oldest first; `next_cursor` is null on the last page."""

    agents: list[AgentView]
    next_cursor: str | None
