"""The words of a text that carry its meaning, and when two of them are the same word."""

import re
from functools import lru_cache

from steersman.knowledge.stopwords import ASKING, STOPWORDS

_TOKEN = re.compile(r"[^\W_]+(?:[._+#/'\u2019-]+[^\W_]+)*(?:\+\+|#)?", re.UNICODE)
_PART = re.compile(r"[^\W_]+(?:\+\+|#)?", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
MAX_TERM = 60

# Longest first; what is cut must leave at least three letters.
_SUFFIXES = (
    ("ational", "ate"), ("isation", "ize"), ("ization", "ize"), ("fulness", "ful"), ("iveness", "ive"),
    ("ements", ""), ("ations", "ate"), ("ation", "ate"), ("ement", ""), ("ments", ""), ("ities", ""), ("ings", ""),
    ("ment", ""), ("ness", ""), ("ible", ""), ("able", ""), ("ises", "ize"), ("ized", "ize"), ("ised", "ize"),
    ("ised", "ize"), ("izes", "ize"), ("ise", "ize"), ("ies", "y"), ("ing", ""), ("ity", ""), ("ers", ""),
    ("ors", ""), ("ied", "y"), ("ed", ""), ("es", ""), ("er", ""), ("or", ""), ("ly", ""), ("al", ""), ("s", ""),
    ("e", ""), ("y", ""),
)  # fmt: skip


def tokens(text: str) -> list[str]:
    """Return the words of `text` in lower case, compounds such as `python-dotenv` or `http/2` whole."""
    return [_lowered(found[0]) for found in _TOKEN.finditer(text)]


def keywords(text: str, *, limit: int = 24) -> list[str]:
    """Return the distinct words of a question that say what it is about, in order; words that only ask are left out."""
    kept: dict[str, None] = {}
    for token in tokens(text):
        if token not in STOPWORDS and token not in ASKING and len(token) <= MAX_TERM:
            kept.setdefault(token)
    return list(kept)[:limit]


def names(text: str) -> frozenset[str]:
    """Return the words of a question, in lower case, that are written like names: capitals or digits inside it."""
    found = set[str]()
    for number, match in enumerate(_TOKEN.finditer(text)):
        word = match[0]
        if (
            any(c.isupper() for c in word[1:])
            or any(c.isdigit() for c in word)
            or (number and word[0].isupper())
        ):
            found.add(_lowered(word))
    return frozenset(found)


def stems(text: str) -> list[str]:
    """Return the stem of every word of `text` that is no stopword; compounds give their whole and their parts."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        token = _lowered(match[0])
        if token in STOPWORDS:
            continue
        found.append(stem(token))
        parts = _PART.findall(match[0] if match[0].islower() else _CAMEL.sub(" ", match[0]))
        if len(parts) > 1:
            found.extend(stem(part.lower()) for part in parts if part.lower() not in STOPWORDS)
    return found


def _lowered(word: str) -> str:
    return word.lower().replace("\u2019", "'").removesuffix("'s")


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return a crude stem: enough to equate the forms of one word on both sides of a comparison, no more.

    A light form of Porter's suffix stripping (Program 14(3), 1980), applied until nothing changes.
    """
    for _ in range(3):
        shorter = _cut(word)
        if shorter == word:
            break
        word = shorter
    return word


def _cut(word: str) -> str:
    if len(word) <= 3 or not word.isalpha() or word.endswith("ss"):
        return word
    for suffix, instead in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            kept = word[: -len(suffix)]
            if len(kept) > 3 and kept[-1] == kept[-2] and kept[-1] not in "lsz" and not instead:
                kept = kept[:-1]
            return kept + instead if kept + instead != word else kept
    return word
