"""Which language a text is written in, told by its most frequent words."""

import re

from steersman.knowledge.stopwords import BY_LANGUAGE

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?", re.UNICODE)
SAMPLE_CHARACTERS = 20_000


def language_of(text: str, default: str = "en") -> str:
    """Return the ISO 639-1 code of the language of `text`; `default` where its words do not tell."""
    words = _WORD.findall(text[:SAMPLE_CHARACTERS].lower())
    counts = {code: sum(word in known for word in words) for code, known in BY_LANGUAGE.items()}
    best = max(counts, key=lambda code: (counts[code], code == default))
    return best if counts[best] > counts.get(default, 0) else default
