"""PDF as blocks: the paragraphs of each page under the heading `Page n`."""

import io
import re
from collections.abc import Iterator

import pypdf
from pypdf.errors import PyPdfError

from steersman.knowledge.blocks import Block, Parsed
from steersman.knowledge.refusals import refused, too_large

_HYPHENATED = re.compile(r"(\w)-\n(?=[a-z])")


def parse_pdf(content: bytes, *, max_pages: int, max_characters: int) -> Parsed:
    """Return the paragraphs of a PDF; raise InvalidInput when it is none, is encrypted, or holds only pictures."""
    if b"%PDF-" not in content[:1024]:
        raise refused("content", "is not a PDF: it has no %PDF header")
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted:
            raise refused("content", "is an encrypted PDF; give one without a password")
        pages = len(reader.pages)
        if pages > max_pages:
            raise too_large(f"has {pages} pages; the limit is {max_pages}")
        blocks = tuple(_pages(reader, max_characters))
        title = reader.metadata.title if reader.metadata else None
    except _BROKEN as exc:
        raise refused("content", "is a damaged PDF that cannot be read") from exc
    if not blocks:
        raise refused("content", "is a PDF without text; scanned pages need text recognition first")
    return Parsed(title if isinstance(title, str) else None, blocks)


# pypdf reports damage with its own errors, and with the built-in ones where a damaged structure surprises it.
_BROKEN = (
    PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OverflowError,
    RecursionError, NotImplementedError, UnicodeError, EOFError, ZeroDivisionError, MemoryError,
)  # fmt: skip


def _pages(reader: pypdf.PdfReader, max_characters: int) -> Iterator[Block]:
    characters = 0
    for number, page in enumerate(reader.pages, start=1):
        text = page.extract_text()
        characters += len(text)
        if characters > max_characters:
            raise too_large(f"has more than {max_characters} characters of text")
        for paragraph in _paragraphs(text):
            yield Block(paragraph, (f"Page {number}",))


def _paragraphs(text: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", _HYPHENATED.sub(r"\1", text)):
        if words := " ".join(part.split()):
            yield words
