"""Answering by quoting: the sentences of the passages that bear most on the question. Pure but for a similarity."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from steersman.knowledge.passages import Passage
from steersman.knowledge.retrieval import coverage, diverse, jaccard
from steersman.knowledge.sentences import sentences
from steersman.knowledge.terms import stems

Similarity = Callable[[Sequence[str]], Sequence[float]]

MAX_STATEMENTS = 3
MAX_UNITS = 240
MAX_WORDS = 70
MIN_SHARE_OF_BEST = 0.68
DIVERSITY = 0.3

# Fitted by random search in four-fold cross-validation on the tuning half of bench/answers/questions.jsonl.
TERMS_SHARE = 0.4
LIKENESS_SHARE = 0.25
PASSAGE_SHARE = 0.15
TELLING_SHARE = 0.15
OPENING_SHARE = 0.05
SHORT_PENALTY = 0.03
SHORT_WORDS = 5
LONG_PENALTY = 0.07
LONG_WORDS = 50
WALL_PENALTY = 0.1
SIGNS_PENALTY = 0.1
MANY_SIGNS = 0.3
SAME_STATEMENT = 0.7
_REFERS_BACK = re.compile(
    r"^(it|its|this|that|these|those|they|them|such|he|she|here|however|but|also|then|otherwise|instead|therefore|"
    r"thus|so|similarly|likewise|by comparison|for example|in addition)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|half|twice)\b"
)
_DATE = re.compile(
    r"\b(1[5-9]\d\d|20\d\d)\b|\b(january|february|march|april|june|july|august|september|october|november|"
    r"december|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"[\w)]\(|^\s*(\$|>>>|pip |import |from |uv |npm )|--\w|=\S|[a-z]_[a-z]|[a-z]\.[a-z]+\(")
_NAME = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+|\bby\b|@\w")
_DEFINES = re.compile(
    r"\b(is|are|was|means|stands for|derives from|refers to|provides|abbreviation)\b", re.IGNORECASE
)
_REASON = re.compile(
    r"\b(because|since|so that|in order to|due to|reason|therefore|to avoid|as a result)\b", re.IGNORECASE
)
_COMPARES = re.compile(
    r"\b(than|faster|slower|better|worse|unlike|compared|whereas)\b|\d ?x\b", re.IGNORECASE
)
_DECIDES = re.compile(
    r"\b(not|no|never|only|cannot|support(s|ed)?|requires?|any|always|must)\b", re.IGNORECASE
)
# What an answer to each kind of question tends to contain.
_TELLS = {
    "quantity": _NUMBER,
    "time": _DATE,
    "how_to": _CODE,
    "person": _NAME,
    "definition": _DEFINES,
    "why": _REASON,
    "comparison": _COMPARES,
    "yes_no": _DECIDES,
}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of an answer, the ids of the chunks that it rests on, and from 0 to 1 how well it answers."""

    text: str
    sources: tuple[str, ...]
    score: float


@dataclass(frozen=True, kw_only=True)
class _Unit:
    passage: Passage
    place: int
    text: str
    words: frozenset[str]


def compose(
    passages: Sequence[Passage],
    *,
    weights: Mapping[str, float],
    kind: str = "lookup",
    similarity: Similarity | None = None,
    limit: int = MAX_STATEMENTS,
) -> list[Statement]:
    """Return the statements that answer best, best first, each resting on every passage that says it.

    `weights` are the question's terms, `similarity` gives the likeness in meaning (0 to 1) of texts to the question.
    """
    units = [unit for passage in passages for unit in _units(passage)][:MAX_UNITS]
    if not units:
        return []
    likeness = similarity([unit.text for unit in units]) if similarity else [0.0] * len(units)
    strongest = max(passage.score for passage in passages)
    scored = sorted(
        (
            (_score(unit, weights, kind, like, strongest), unit)
            for unit, like in zip(units, likeness, strict=True)
        ),
        key=lambda pair: (-pair[0], pair[1].passage.chunk_id, pair[1].place),
    )
    best = scored[0][0]
    chosen = diverse(
        [pair for pair in scored if pair[0] >= MIN_SHARE_OF_BEST * best],
        limit=limit,
        score=lambda pair: pair[0],
        likeness=lambda one, other: jaccard(one[1].words, other[1].words),
        diversity=DIVERSITY,
    )
    return [
        Statement(text=unit.text, sources=_sources(unit, units), score=round(score, 4))
        for score, unit in chosen
    ]


def _units(passage: Passage) -> list[_Unit]:
    """Cut a passage into what can be quoted: sentences with the one they refer back to, and what a colon announces."""
    texts = sentences(passage.passage)
    headings = {part.strip() for part in passage.heading.split(">")}
    units: list[_Unit] = []
    for place, text in enumerate(texts):
        if text in headings:
            continue
        quoted = text
        if place and _REFERS_BACK.match(text) and texts[place - 1] not in headings:
            quoted = f"{texts[place - 1]} {text}"
        following = place + 1
        while quoted.endswith((":", "?", ",")) and following < len(texts) and len(quoted.split()) < MAX_WORDS:
            quoted = f"{quoted} {texts[following]}"
            following += 1
        if len(quoted.split()) >= 2 and len(quoted) <= 1_000:
            units.append(_Unit(passage=passage, place=place, text=quoted, words=frozenset(stems(quoted))))
    return units


def _score(unit: _Unit, weights: Mapping[str, float], kind: str, likeness: float, best: float) -> float:
    """Return from 0 to 1 how well a unit answers; `best` is the score of the best passage.

    Its terms may stand in the headings above it: a passage under "tqdm" need not name tqdm in every sentence.
    """
    placed = coverage(weights, unit.words | frozenset(stems(unit.passage.heading)))
    tells = _TELLS.get(kind)
    words = len(unit.text.split())
    score = TERMS_SHARE * placed + LIKENESS_SHARE * max(0.0, likeness)
    score += PASSAGE_SHARE * (unit.passage.score / best if best else 0.0)
    score += TELLING_SHARE if tells and tells.search(unit.text) else 0.0
    score += OPENING_SHARE if unit.place == 0 else 0.0
    return min(1.0, max(0.0, score - _unwieldy(unit.text, words)))


def _unwieldy(text: str, words: int) -> float:
    """Return the penalty of a unit that is hard to read: a fragment, a wall of text, or mostly signs."""
    signs = sum(not (c.isalnum() or c.isspace()) for c in text) / len(text)
    length = SHORT_PENALTY if words < SHORT_WORDS else LONG_PENALTY if words > LONG_WORDS else 0.0
    return (
        length + (WALL_PENALTY if words > MAX_WORDS else 0.0) + (SIGNS_PENALTY if signs > MANY_SIGNS else 0.0)
    )


def _sources(unit: _Unit, units: Sequence[_Unit]) -> tuple[str, ...]:
    same = (
        other.passage.chunk_id
        for other in units
        if other.passage.chunk_id != unit.passage.chunk_id
        and jaccard(unit.words, other.words) >= SAME_STATEMENT
    )
    return tuple(dict.fromkeys((unit.passage.chunk_id, *same)))
