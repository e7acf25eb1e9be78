"""Cutting text into sentences, and sentences that are too long into pieces."""

import re
from collections.abc import Iterator

_SHORTENED = (
    "e.g i.e etc vs cf al fig no nr vol pp ca approx dr mr mrs ms prof st jr sr inc ltd co corp dept est"
)
_ABBREVIATIONS = frozenset(_SHORTENED.split())
# The look-behind keeps a long run of dots from being tried again from each of them.
_END = re.compile(r"(?<![.!?])[.!?]+[\"')\]\u00bb\u201d\u2019]*\s+|\n+|(?<=[\u3002\uff01\uff1f])")
_NEXT = re.compile(r"[\"'(\[\u00ab\u201c\u2018]?[^\sa-z]")


def sentences(text: str) -> list[str]:
    """Return the sentences of `text` in order; line breaks end a sentence, abbreviations and versions do not."""
    return list(_split(text))


def _split(text: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(text):
        if end[0] and "\n" not in end[0] and not _ends_here(text, end):
            continue
        if sentence := text[start : end.end()].strip():
            yield sentence
        start = end.end()
    if sentence := text[start:].strip():
        yield sentence


def _ends_here(text: str, end: re.Match[str]) -> bool:
    if not _NEXT.match(text, end.end()):
        return False
    if not end[0].startswith("."):
        return True
    before = text[max(0, end.start() - 40) : end.start()].split()
    word = before[-1].lstrip("(\"'[").lower() if before else ""
    return word not in _ABBREVIATIONS and not (len(word) == 1 and word.isalpha())


def pieces(text: str, *, max_words: int, max_characters: int) -> Iterator[str]:
    """Yield `text` cut between words so that no piece is over a limit; a word over the limit is cut too."""
    piece: list[str] = []
    length = 0
    for word in _short_words(text, max_characters):
        if piece and (len(piece) >= max_words or length + len(word) + 1 > max_characters):
            yield " ".join(piece)
            piece, length = [], 0
        piece.append(word)
        length += len(word) + 1
    if piece:
        yield " ".join(piece)


def _short_words(text: str, max_characters: int) -> Iterator[str]:
    for word in text.split():
        for start in range(0, len(word), max_characters):
            yield word[start : start + max_characters]
