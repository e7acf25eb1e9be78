"""The labelled questions, and the shares that the benchmark is about."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUESTIONS = Path(__file__).parent / "answers" / "questions.jsonl"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A labelled question: the sources that answer it and patterns of the fact; none where it has no answer."""

    id: str
    split: str
    question: str
    documents: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def answerable(self) -> bool:
        return bool(self.documents)

    def told_by(self, text: str) -> bool:
        """Return whether `text` holds the expected fact."""
        plain = " ".join(text.split())
        return any(re.search(fact, plain, re.IGNORECASE) for fact in self.facts)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What became of a question: the sources of its first five passages, and the answer."""

    question: Question
    found: tuple[str, ...]
    cited: tuple[str, ...]
    text: str
    declined: bool


def questions() -> list[Question]:
    """Return the labelled questions."""
    rows = (json.loads(line) for line in QUESTIONS.read_text().splitlines())
    return [
        Question(**{**row, "documents": tuple(row["documents"]), "facts": tuple(row["facts"])})
        for row in rows
    ]


def scores(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return the shares that the benchmark is about, and the questions that missed."""
    answerable = [one for one in asked if one.question.answerable]
    hopeless = [one for one in asked if not one.question.answerable]
    hit = {one.question.id: bool(set(one.found) & set(one.question.documents)) for one in answerable}
    cited = {one.question.id: any(map(one.question.told_by, one.cited)) for one in answerable}
    said = {one.question.id: one.question.told_by(one.text) for one in answerable}
    declined = {one.question.id: one.declined for one in hopeless}
    return {
        "answerable": len(answerable),
        "unanswerable": len(hopeless),
        "hit_at_5": _share(hit),
        "cited_fact": _share(cited),
        "said_fact": _share(said),
        "declined": _share(declined),
        "wrongly_declined": _share({one.question.id: one.declined for one in answerable}),
        "missed": sorted(key for group in (hit, cited, declined) for key, held in group.items() if not held),
    }


def _share(held: Mapping[str, bool]) -> float:
    return round(sum(held.values()) / len(held), 4) if held else 0.0


def by_split(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return the scores of all questions and of each split."""
    splits = {one.question.split for one in asked}
    parts = {name: scores([one for one in asked if one.question.split == name]) for name in sorted(splits)}
    return {"all": scores(asked), **parts}
