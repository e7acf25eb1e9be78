"""What the documents have on a batch of questions: ranked passages, and how well they support an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from steersman.json import rfc3339
from steersman.knowledge.passage_index import PassageIndex, Query
from steersman.knowledge.passages import Passage
from steersman.knowledge.retrieval import DIVERSITY, Ranked, rank, support
from steersman.knowledge.terms import keywords, names
from steersman.llm.port import Embedder

PASSAGES = 8


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked in a project; without `keywords` its own words are used."""

    project_id: UUID
    text: str
    keywords: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the documents have on a question: passages, best first, the support they give (0 to 1), and the
    weight of each of the question's terms.
    """

    passages: Sequence[Passage] = ()
    support: float = 0.0
    terms: Mapping[str, float] = field(default_factory=dict)


def search(
    questions: Sequence[Question],
    *,
    index: PassageIndex,
    embedder: Embedder,
    limit: int = PASSAGES,
    diversity: float = DIVERSITY,
) -> list[Material]:
    """Return the material on each question, in their order, in one database round trip."""
    vectors = embedder.embed([question.text for question in questions])
    queries = [
        Query(project_id=one.project_id, terms=list(one.keywords) or keywords(one.text), vector=vector)
        for one, vector in zip(questions, vectors, strict=True)
    ]
    materials: list[Material] = []
    found_for_all = index.search(queries, embedding_model=embedder.name)
    for question, found in zip(questions, found_for_all, strict=True):
        ranked = rank(found, limit=limit, diversity=diversity)
        materials.append(
            Material(
                passages=[_passage(one) for one in ranked],
                support=support(ranked, found.weights, names(question.text)),
                terms=found.weights,
            )
        )
    return materials


def _passage(one: Ranked) -> Passage:
    found = one.candidate
    return Passage(
        chunk_id=str(found.chunk_id),
        document_id=str(found.document_id),
        kind="document",
        title=found.title,
        source_uri=found.source_uri,
        heading=found.heading,
        position=found.position,
        passage=found.passage,
        score=one.score,
        dated_at=rfc3339(found.updated_at),
    )
