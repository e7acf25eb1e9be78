"""What kind of question is asked, and which questions are in it. Pure."""

import re

from steersman.knowledge.language import language_of
from steersman.knowledge.stopwords import BY_LANGUAGE
from steersman.knowledge.terms import keywords, tokens

KINDS = (
    "definition", "how_to", "why", "quantity", "time", "person", "place", "comparison", "yes_no", "choice", "lookup",
)  # fmt: skip
MAX_SUB_QUESTIONS = 5

# The first that matches tells the kind.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("comparison", r"\b(difference between|compared? (to|with)|versus|vs\.?|better than|faster than)\b"),
        ("quantity", r"\bhow (many|much|fast|slow|large|big|small|long|far|old|often|expensive|high|deep)\b"),
        (
            "quantity",
            r"\b(what|which) (is the )?(number|amount|size|price|cost|limit|maximum|minimum|percentage)\b",
        ),
        ("time", r"\b(when|what (year|date|day|time)|since which)\b"),
        ("how_to", r"\bhow (do|does|can|could|should|would|to|is|are)\b"),
        ("why", r"\b(why|what (is|was) the reason|for what reason)\b"),
        ("person", r"\b(who|whom|whose)\b"),
        ("place", r"^\s*where\b"),
        (
            "definition",
            r"\b(what (is|are|was|were) (an? |the )?[\w./-]+\s*\?|what does .+ mean|define|meaning of)",
        ),
        ("choice", r"\b(which|what)\b"),
        ("yes_no", r"^\s*(is|are|was|were|do|does|did|can|could|will|would|should|has|have|must|may)\b"),
    )
)
_QUESTION_WORD = r"(?:what|which|who|whom|whose|when|where|why|how|is|are|does|do|can|should|will)"
_SPLIT = re.compile(
    rf"(?<=\?)\s+|\s*(?:;|,)?\s+(?:and|also|then)\s+(?={_QUESTION_WORD}\b)|\s*;\s+", re.IGNORECASE
)
_NEEDS_WEB = re.compile(
    r"\b(today|tonight|yesterday|tomorrow|right now|currently|at the moment|this (week|month|year)|latest|newest|"
    r"most recent|breaking|news|headlines?|weather|forecast|stock price|share price|exchange rate|online|"
    r"on the (web|internet))\b",
    re.IGNORECASE,
)


def kind_of(question: str) -> str:
    """Return which of KINDS a question is; `lookup` where it is only words."""
    return next((kind for kind, pattern in _PATTERNS if pattern.search(question)), "lookup")


def sub_questions(question: str) -> list[str]:
    """Return the questions that a question is made of, when they are more than one."""
    parts = [part.strip() for part in _SPLIT.split(question) if part and len(tokens(part)) >= 2]
    asking = [part for part in parts if keywords(part)]
    return asking[:MAX_SUB_QUESTIONS] if len(asking) > 1 else []


def needs_web(question: str) -> bool:
    """Return whether a question asks for what changes from day to day."""
    return bool(_NEEDS_WEB.search(question))


def subject_words(question: str, language: str) -> list[str]:
    """Return what a question in `language` is about: its words without those that carry no meaning."""
    ignored = BY_LANGUAGE.get(language, frozenset())
    words = [word for word in keywords(question) if word not in ignored]
    return words or keywords(question) or tokens(question)[:5]


def language(question: str) -> str:
    """Return the ISO 639-1 code of a question's language, `en` where its words do not tell."""
    return language_of(question)
