"""The words of a text that carry its meaning, and when two of them are the same word."""

import re
from functools import cache
from typing import Any

from steersman.knowledge.stopwords import ASKING, STOPWORDS

_TOKEN = re.compile(r"[^\W_]+(?:[._+#/'\u2019-]+[^\W_]+)*(?:\+\+|#)?", re.UNICODE)
_PART = re.compile(r"[^\W_]+(?:\+\+|#)?", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
MAX_TERM = 60


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


def stem(word: str) -> str:
    """Return the stem of a word in lower case: Snowball's for English, as PostgreSQL's text search takes it."""
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import Stemmer  # type: ignore[import-not-found]

    return Stemmer.Stemmer("english")
