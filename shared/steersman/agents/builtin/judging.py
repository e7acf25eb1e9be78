"""Judging an answer: is it grounded in its sources, does it cover the question, is it clear. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steersman.agents.builtin.extractive import Statement
from steersman.knowledge.passages import Passage
from steersman.knowledge.retrieval import coverage
from steersman.knowledge.terms import stems, tokens

# Tuned on the development half of bench/answers/questions.jsonl; the held-out half is reported beside it.
MIN_SUPPORT = 0.48
MIN_COVERAGE = 0.4
MIN_GROUNDING = 0.5
NOT_ANSWERED = "not answered by the sources"

GROUNDING_SHARE = 0.5
COVERAGE_SHARE = 0.35
CLARITY_SHARE = 0.15
OWN_WORDS_SHARE = 0.3
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The scores of an answer, each from 0 to 1, and the statements that its sources bear out."""

    grounding: float
    coverage: float
    clarity: float
    score: float
    kept: tuple[Statement, ...]


def judge(
    statements: Sequence[Statement], passages: Sequence[Passage], weights: Mapping[str, float]
) -> Verdict:
    """Return the verdict on an answer to a question with the term `weights`."""
    by_id = {one.chunk_id: one for one in passages}
    grounds = [
        grounding(one, [by_id[source] for source in one.sources if source in by_id]) for one in statements
    ]
    kept = tuple(one for one, ground in zip(statements, grounds, strict=True) if ground >= MIN_GROUNDING)
    if not kept:
        return Verdict(grounding=_mean(grounds), coverage=0.0, clarity=0.0, score=0.0, kept=())
    scores = _mean(grounds), _covered(kept, by_id, weights), _mean([clarity(one.text) for one in kept])
    total = GROUNDING_SHARE * scores[0] + COVERAGE_SHARE * scores[1] + CLARITY_SHARE * scores[2]
    return Verdict(
        grounding=round(scores[0], 4),
        coverage=round(scores[1], 4),
        clarity=round(scores[2], 4),
        score=round(total, 4),
        kept=kept,
    )


def grounding(statement: Statement, sources: Sequence[Passage]) -> float:
    """Return the share of a statement's words that its sources hold; a number that they do not hold halves it."""
    if not sources:
        return 0.0
    text = "\n".join(f"{one.heading}\n{one.passage}" for one in sources)
    held = frozenset(stems(text))
    said = stems(statement.text)
    share = sum(word in held for word in said) / len(said) if said else 0.0
    numbers = set(_NUMBER.findall(statement.text)) - set(_NUMBER.findall(text))
    return share / 2 if numbers else share


def clarity(text: str) -> float:
    """Return from 0 to 1 how readable a statement is: of a sentence's length, in words rather than signs, whole."""
    words = tokens(text)
    if not words:
        return 0.0
    length = min(1.0, len(words) / 6) * min(1.0, 60 / len(words))
    letters = sum(c.isalpha() or c.isspace() for c in text) / len(text)
    whole = 1.0 if text[:1].isupper() or text[:1].isdigit() else 0.8
    return length * min(1.0, letters / 0.8) * whole


def _covered(
    statements: Sequence[Statement], by_id: Mapping[str, Passage], weights: Mapping[str, float]
) -> float:
    """Return how far the best statement covers the question, by its own words and by its whole passages."""
    if not weights:
        return 1.0
    return max(
        (
            _coverage(one, [by_id[source] for source in one.sources if source in by_id], weights)
            for one in statements
        ),
        default=0.0,
    )


def _coverage(statement: Statement, sources: Sequence[Passage], weights: Mapping[str, float]) -> float:
    said = " ".join((statement.text, *(one.heading for one in sources)))
    held = " ".join((said, *(one.passage for one in sources)))
    own, whole = coverage(weights, frozenset(stems(said))), coverage(weights, frozenset(stems(held)))
    return OWN_WORDS_SHARE * own + (1 - OWN_WORDS_SHARE) * whole


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
