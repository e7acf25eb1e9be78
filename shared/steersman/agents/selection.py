"""Which agent does a job: a pure choice among the active ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Candidate:
    """An active agent as selection sees it."""

    id: UUID
    project_id: UUID
    name: str
    version: str
    protocol: str
    endpoint: str
    shared: bool
    capabilities: frozenset[str]
    max_concurrency: int
    price_per_call_usd: float


def choose(
    candidates: Sequence[Candidate],
    *,
    capability: str,
    project_id: UUID,
    load: Mapping[UUID, int],
    avoid: str | None = None,
) -> Candidate | None:
    """Return the agent for one job, or None when no active agent of the project has the capability.

    Among those that can, in this order: not the one named `avoid` (it failed the attempt before), not full, the
    project's own before shared ones, the least loaded for its size, the cheapest, the newest version, by name.
    `load` counts the jobs that each agent has in hand here.
    """
    return best(able(candidates, capability, project_id), project_id=project_id, load=load, avoid=avoid)


def able(candidates: Sequence[Candidate], capability: str, project_id: UUID) -> list[Candidate]:
    """Return the agents that a project may use for a capability."""
    return [
        candidate
        for candidate in candidates
        if capability in candidate.capabilities and (candidate.shared or candidate.project_id == project_id)
    ]


def best(
    able: Sequence[Candidate], *, project_id: UUID, load: Mapping[UUID, int], avoid: str | None = None
) -> Candidate | None:
    """Return the one to prefer among agents that can do a job, as `choose` says."""
    if len(able) == 1:
        return able[0]
    return min(able, key=lambda one: _preference(one, project_id, load, avoid), default=None)


def ranked(
    able: Sequence[Candidate], *, project_id: UUID, load: Mapping[UUID, int], avoid: str | None = None
) -> list[Candidate]:
    """Return agents that can do a job, the one to prefer first, as `choose` says."""
    return sorted(able, key=lambda one: _preference(one, project_id, load, avoid))


def _preference(
    one: Candidate, project_id: UUID, load: Mapping[UUID, int], avoid: str | None
) -> tuple[object, ...]:
    in_hand = load.get(one.id, 0)
    return (
        one.name == avoid,
        in_hand >= one.max_concurrency,
        one.project_id != project_id,
        in_hand / one.max_concurrency,
        one.price_per_call_usd,
        [-number for number in _numbers(one.version)],
        one.name,
    )


def _numbers(version: str) -> list[int]:
    parts = version.split("-")[0].split(".")
    return [int(part) if part.isdecimal() else 0 for part in [*parts, "0", "0", "0"][:3]]
