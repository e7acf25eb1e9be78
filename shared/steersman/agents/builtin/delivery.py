"""Putting an answer together from what the stages of a task gave. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from steersman.agents.builtin.answer import Material, material_of
from steersman.agents.builtin.extractive import Statement
from steersman.agents.builtin.judging import MIN_SUPPORT, NOT_ANSWERED, grounding
from steersman.agents.builtin.moderation import read_statements
from steersman.agents.job import StageJob
from steersman.knowledge.evidence import credibility
from steersman.knowledge.evidence_store import Evidence, Support
from steersman.knowledge.passages import Passage, merged, read_passages
from steersman.knowledge.sentences import sentences

LOOKUP_PASSAGES = 3
LOOKUP_WORDS = 80
AGREES = 0.7
SCORES = ("grounding", "coverage", "clarity", "score")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A passage that the answer cites, by its number there, and how far it is believed."""

    number: int
    passage: Passage
    credibility: Decimal
    reason: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer: its statements, the sources they cite in the order of their numbers, or why there is none."""

    material: Material
    statements: Sequence[Statement]
    sources: Sequence[Source]
    declined: bool
    reason: str | None

    def numbers(self, statement: Statement) -> list[int]:
        """Return the numbers of the sources that a statement cites."""
        known = {source.passage.chunk_id: source.number for source in self.sources}
        return sorted(known[chunk] for chunk in statement.sources if chunk in known)


def decide(job: StageJob, *, now: datetime) -> Answer:
    """Return a job's answer: what the moderator kept, else what the executor said, else the best passages."""
    material = material_of(job)
    statements, reason = _statements(job, material)
    known = merged(
        [read_passages(job.results.get(stage)) for stage in ("executor", "embedding", "websearch")]
    )
    cited = dict.fromkeys(chunk for one in statements for chunk in one.sources)
    by_id = {one.chunk_id: one for one in known}
    sources = [
        _source(number, by_id[chunk], statements, known, now)
        for number, chunk in enumerate((chunk for chunk in cited if chunk in by_id), start=1)
    ]
    grounded = [one for one in statements if any(chunk in by_id for chunk in one.sources)]
    if not grounded and reason is None:
        reason = NOT_ANSWERED
    return Answer(
        material=material,
        statements=[] if reason else grounded,
        sources=[] if reason else sources,
        declined=reason is not None,
        reason=reason,
    )


def _statements(job: StageJob, material: Material) -> tuple[list[Statement], str | None]:
    moderated, composed = job.results.get("moderator"), job.results.get("executor")
    if moderated is not None:
        reason = str(moderated.get("reason") or NOT_ANSWERED) if moderated.get("declined") else None
        return read_statements(moderated), reason
    if composed is not None:
        reason = str(composed.get("decline_reason") or NOT_ANSWERED) if composed.get("declined") else None
        return read_statements(composed), reason
    return _looked_up(material), None if material.support >= MIN_SUPPORT else NOT_ANSWERED


def _looked_up(material: Material) -> list[Statement]:
    return [
        Statement(text=excerpt(one.passage), sources=(one.chunk_id,), score=one.score)
        for one in material.passages[:LOOKUP_PASSAGES]
    ]


def excerpt(passage: str) -> str:
    """Return the first sentences of a passage, up to about LOOKUP_WORDS words."""
    kept: list[str] = []
    words = 0
    for sentence in sentences(passage):
        words += len(sentence.split())
        if kept and words > LOOKUP_WORDS:
            break
        kept.append(sentence)
    return " ".join(" ".join(kept).split()[: 2 * LOOKUP_WORDS])


def _source(
    number: int, passage: Passage, statements: Sequence[Statement], known: Sequence[Passage], now: datetime
) -> Source:
    belief = credibility(
        kind=passage.kind,
        source_uri=passage.source_uri,
        match=passage.score,
        agreeing=_agreeing(passage, statements, known),
        dated_at=_moment(passage.dated_at),
        now=now,
    )
    return Source(number=number, passage=passage, credibility=belief.value, reason=belief.reason)


def _agreeing(passage: Passage, statements: Sequence[Statement], known: Sequence[Passage]) -> int:
    """Count the other sources that hold most words of a statement which this passage supports."""
    supported = [one for one in statements if passage.chunk_id in one.sources]
    return len(
        {
            other.source_uri
            for other in known
            if other.source_uri != passage.source_uri
            and any(grounding(one, [other]) >= AGREES for one in supported)
        }
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def assemble(job: StageJob, answer: Answer) -> dict[str, Any]:
    """Return the final document of a task."""
    composed = job.results.get("executor") or {}
    return {
        "question": answer.material.question,
        "answer": marked(answer),
        "statements": [{"text": one.text, "sources": answer.numbers(one)} for one in answer.statements],
        "sources": [_source_json(one) for one in answer.sources],
        "quality": _quality(job.results.get("moderator")),
        "declined": answer.declined,
        "decline_reason": answer.reason,
        "produced_by": [_producer(one) for one in job.provenance],
        "models": list(dict.fromkeys(one.model for one in job.provenance if one.model)),
        "notes": [str(note) for note in composed.get("notes") or ()],
        "cost_usd": sum((one.cost_usd for one in job.provenance), Decimal(0)),
    }


def marked(answer: Answer) -> str:
    """Return the answer as text, each statement on its line with the marks [n] of its sources; empty when declined."""
    return "\n".join(
        f"{one.text} {''.join(f'[{number}]' for number in answer.numbers(one))}" for one in answer.statements
    )


def _source_json(source: Source) -> dict[str, Any]:
    return {
        "number": source.number,
        "kind": source.passage.kind,
        "title": source.passage.title,
        "source_uri": source.passage.source_uri,
        "heading": source.passage.heading,
        "passage": source.passage.passage,
        "credibility": float(source.credibility),
        "credibility_reason": source.reason,
    }


def _quality(moderated: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: moderated.get(name) for name in SCORES} if moderated else None


def _producer(one: Any) -> dict[str, Any]:
    return {
        "stage": one.stage,
        "agent": one.agent,
        "model": one.model,
        "status": one.status,
        "cost_usd": one.cost_usd,
        "tokens": one.tokens,
        "duration_ms": one.duration_ms,
    }


def evidence_of(job: StageJob, answer: Answer) -> list[Evidence]:
    """Return the evidence that an answer rests on, each piece with the statements that it supports."""
    return [
        Evidence(
            task_id=job.task_id,
            project_id=job.project_id,
            number=source.number,
            kind=source.passage.kind,
            document_id=_uuid(source.passage.document_id),
            chunk_id=_uuid(source.passage.chunk_id),
            title=source.passage.title,
            source_uri=source.passage.source_uri,
            passage=source.passage.passage,
            credibility=source.credibility,
            credibility_reason=source.reason,
            supports=list(_supports(answer, source)),
        )
        for source in answer.sources
    ]


def _supports(answer: Answer, source: Source) -> Iterator[Support]:
    for number, statement in enumerate(answer.statements, start=1):
        if source.passage.chunk_id in statement.sources:
            strength = round(min(1.0, grounding(statement, [source.passage])), 4)
            yield Support(statement_number=number, statement=statement.text, strength=strength)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
