"""What an agent is given and what it gives back: the contract that every protocol carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from steersman.errors import AgentError


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who did an earlier stage, with what and at which cost."""

    stage: str
    status: str
    agent: str | None
    model: str | None
    cost_usd: Decimal
    tokens: int
    duration_ms: int


class StageJob(NamedTuple):  # as one is made for each attempt: a frozen dataclass takes four times as long
    """One attempt at one stage.

    `input` is the task's input; `results` has the output of every ancestor stage, None where it was skipped.
    """

    task_id: UUID
    project_id: UUID
    stage: str
    capability: str
    attempt: int
    timeout_s: float
    correlation_id: str
    input: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Any] | None] = MappingProxyType({})
    provenance: Sequence[Provenance] = ()


class StageResult(NamedTuple):
    """What an agent made of a job: a JSON object, the model that made it, its cost, its quality (0 to 1) if known."""

    output: Mapping[str, Any]
    model: str | None = None
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    quality: float | None = None


class Agent(Protocol):
    """Something that does stages in batches: one outcome per job, in the order of the jobs, never an exception."""

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]: ...
