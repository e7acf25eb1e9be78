"""Ranking what a hybrid search found, and judging whether it supports an answer at all. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from steersman.knowledge.terms import stems

Item = TypeVar("Item")

RRF_K = 60
FUSED_SHARE = 0.35
COVERAGE_SHARE = 0.45
SIMILARITY_SHARE = 0.2
DIVERSITY = 0.3
SAME_TEXT = 0.85
SUBJECT_BONUS = 0.1

SUPPORTING = 5
NAME_FACTOR = 1.5
LIKENESS_SHARE = 0.3
ALIKE = 0.6
OFF_SUBJECT = 0.6


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A passage that an arm of the search found.

    `similarity` is its cosine to the question (-1 to 1), `lexical` its weighted term score; the ranks count from 1 and
    are None where that arm did not find it.
    """

    chunk_id: UUID
    document_id: UUID
    title: str
    source_uri: str
    heading: str
    position: int
    passage: str
    updated_at: datetime
    similarity: float
    lexical: float
    semantic_rank: int | None
    lexical_rank: int | None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one search found: its candidates, and how rare each of its terms is in the project (0 = in every passage).

    Terms that are in no passage at all carry the greatest weight; words that the text search ignores are left out.
    """

    candidates: Sequence[Candidate] = ()
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A candidate with its place in the answer's material: all figures from 0 to 1."""

    candidate: Candidate
    score: float
    words: frozenset[str]
    similarity: float
    on_subject: bool


def fuse(ranks: Sequence[int | None], *, k: int = RRF_K) -> float:
    """Return the reciprocal rank fusion of one item's ranks in several lists, 1 when it leads them all.

    Cormack, Clarke and Büttcher, SIGIR 2009; divided by the best possible sum so that it can be mixed with others.
    """
    return sum(1 / (k + rank) for rank in ranks if rank is not None) * (k + 1) / len(ranks)


def coverage(weights: Mapping[str, float], words: frozenset[str]) -> float:
    """Return the share of a question's term weight whose terms are among `words` (stems), 0 to 1."""
    total = sum(weights.values())
    if total <= 0:
        return 0.0
    return sum(weight * _share(term, words) for term, weight in weights.items()) / total


def _share(term: str, words: frozenset[str]) -> float:
    forms = stems(term)
    if not forms:
        return 0.0
    if forms[0] in words:
        return 1.0
    parts = forms[1:]
    return sum(part in words for part in parts) / len(parts) if parts else 0.0


def rank(found: Found, *, limit: int, diversity: float = DIVERSITY) -> list[Ranked]:
    """Return the best `limit` candidates, best first, without repeats of the same text.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) with the overlap of words as likeness.
    """
    words = {one.chunk_id: frozenset(stems(f"{one.heading} {one.passage}")) for one in found.candidates}
    subject = subject_of(found)
    scored = sorted(
        (_scored(one, found.weights, words[one.chunk_id], subject) for one in found.candidates), key=_order
    )

    def likeness(one: Ranked, other: Ranked) -> float:
        return jaccard(words[one.candidate.chunk_id], words[other.candidate.chunk_id])

    return diverse(scored, limit=limit, score=lambda one: one.score, likeness=likeness, diversity=diversity)


def subject_of(found: Found) -> frozenset[str]:
    """Return the stems of the document titles that a question names: it asks about those documents."""
    asked = frozenset(stem for term in found.weights for stem in stems(term))
    titles = (frozenset(stems(title)) for title in {one.title for one in found.candidates})
    return frozenset(stem for title in titles if title and title <= asked for stem in title)


def _scored(
    one: Candidate, weights: Mapping[str, float], words: frozenset[str], subject: frozenset[str]
) -> Ranked:
    covered = coverage(weights, words)
    similarity = max(0.0, min(1.0, one.similarity))
    fused = fuse((one.lexical_rank, one.semantic_rank))
    score = FUSED_SHARE * fused + COVERAGE_SHARE * covered + SIMILARITY_SHARE * similarity
    title = frozenset(stems(one.title))
    if title and title <= subject:
        score += SUBJECT_BONUS
    return Ranked(
        candidate=one,
        score=round(min(1.0, score), 4),
        words=words,
        similarity=similarity,
        on_subject=not subject or bool(subject & words),
    )


def _order(one: Ranked) -> tuple[float, str]:
    return -one.score, str(one.candidate.chunk_id)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of words that two texts have in common."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def diverse(
    items: Sequence[Item],
    *,
    limit: int,
    score: Callable[[Item], float],
    likeness: Callable[[Item, Item], float],
    diversity: float,
) -> list[Item]:
    """Return up to `limit` of `items` (best first), each chosen for its score less its likeness to those before."""
    left, chosen = list(items), list[Item]()
    closest = [0.0] * len(left)
    while left and len(chosen) < limit:
        number = max(range(len(left)), key=lambda n: score(left[n]) - diversity * closest[n])
        chosen.append(left.pop(number))
        closest.pop(number)
        closest = [max(known, likeness(one, chosen[-1])) for one, known in zip(left, closest, strict=True)]
        kept = [n for n, known in enumerate(closest) if known < SAME_TEXT]
        left, closest = [left[n] for n in kept], [closest[n] for n in kept]
    return chosen


def support(ranked: Sequence[Ranked], weights: Mapping[str, float], names: frozenset[str]) -> float:
    """Return from 0 to 1 how far the best passages hold what a question asks about.

    A passage is judged by the share of the question's term weight that it holds and by its likeness in meaning. Of
    what it lacks, a name weighs more than a word, which may have been said otherwise; and where the question names a
    document, a passage that does not speak of its subject counts less.
    """
    weighed = {term: weight * (NAME_FACTOR if term in names else 1.0) for term, weight in weights.items()}
    return max((_support(one, weighed) for one in ranked[:SUPPORTING]), default=0.0)


def _support(one: Ranked, weights: Mapping[str, float]) -> float:
    likeness = min(1.0, one.similarity / ALIKE)
    held = (1 - LIKENESS_SHARE) * coverage(weights, one.words) + LIKENESS_SHARE * likeness
    return round(held if one.on_subject else held * OFF_SUBJECT, 4)
