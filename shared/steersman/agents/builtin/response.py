"""The agent of `answer.deliver`: assembles the final answer with numbered sources, and keeps its evidence."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from steersman.agents.builtin.delivery import assemble, decide, evidence_of
from steersman.agents.builtin.outcomes import Outcome, together
from steersman.agents.job import StageJob, StageResult
from steersman.knowledge.evidence_store import EvidenceStore

OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": [
        "question",
        "answer",
        "statements",
        "sources",
        "quality",
        "declined",
        "produced_by",
        "notes",
    ],
    "properties": {
        "question": {"type": "string"},
        "answer": {"type": "string"},
        "statements": {"type": "array", "items": {"type": "object"}},
        "sources": {"type": "array", "items": {"type": "object"}},
        "quality": {"type": ["object", "null"]},
        "declined": {"type": "boolean"},
        "decline_reason": {"type": ["string", "null"]},
        "produced_by": {"type": "array", "items": {"type": "object"}},
        "models": {"type": "array", "items": {"type": "string"}},
        "notes": {"type": "array", "items": {"type": "string"}},
        "cost_usd": {"type": ["string", "number"]},
    },
}


def _now() -> datetime:
    return datetime.now(UTC)


class ResponseAgent:
    """Delivers answers; the evidence of a whole batch is stored in one database round trip, once per task."""

    def __init__(self, *, store: EvidenceStore, now: Callable[[], datetime] = _now) -> None:
        self._store = store
        self._now = now

    def run(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        """Return each job's final answer, or that and why it is declined."""
        return together(jobs, self._deliver)

    def _deliver(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        answers = [decide(job, now=self._now()) for job in jobs]
        self._store.keep(
            [one for job, answer in zip(jobs, answers, strict=True) for one in evidence_of(job, answer)]
        )
        return [_result(assemble(job, answer)) for job, answer in zip(jobs, answers, strict=True)]


def _result(document: dict[str, Any]) -> StageResult:
    quality = document["quality"]
    return StageResult(output=document, quality=quality["score"] if quality else None)
