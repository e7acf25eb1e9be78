"""Text that PostgreSQL can hold and people can read."""

import re

# Control characters but tab and line feed, soft hyphens, zero-width and direction marks, surrogates, private use.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ue000-\uf8ff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)


def readable(text: str) -> str:
    """Return `text` without characters that nobody can read; line breaks and tabs stay."""
    return _UNSEEN.sub("", text)


def one_line(text: str) -> str:
    """Return readable `text` on one line with single spaces."""
    return " ".join(readable(text).split())
