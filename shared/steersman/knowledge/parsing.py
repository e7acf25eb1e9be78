"""Reading a document: bytes of a known media type in, blocks of text under headings out; bad input refused by field."""

import codecs
import unicodedata
from collections.abc import Callable
from dataclasses import replace

from steersman.knowledge.blocks import Block, Parsed, first_heading
from steersman.knowledge.readable import one_line, readable
from steersman.knowledge.refusals import refused, too_large

MEDIA_TYPES = ("text/markdown", "text/plain", "text/html", "application/pdf")
MAX_BYTES = 20 * 1024 * 1024
MAX_CHARACTERS = 2_000_000
MAX_PAGES = 1_000

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def parse(
    content: bytes, media_type: str, *, max_bytes: int = MAX_BYTES, max_pages: int = MAX_PAGES
) -> Parsed:
    """Return the title and the blocks of a document.

    `media_type` is one of MEDIA_TYPES; text is UTF-8, or UTF-16 with its byte order mark.
    Raises InvalidInput or TooLarge whose fault names the field `content` or `media_type`.
    """
    if media_type not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        raise refused("media_type", f"is {media_type!r}; it must be one of {known}")
    if len(content) > max_bytes:
        raise too_large(f"has {len(content)} bytes; the limit is {max_bytes}")
    if not content.strip():
        raise refused("content", "is empty")
    if media_type == "application/pdf":
        return _checked(_parse_pdf(content, max_pages))
    parsed = _checked(_parse_text(content, media_type))
    return parsed if parsed.title else replace(parsed, title=first_heading(parsed.blocks))


def _parse_text(content: bytes, media_type: str) -> Parsed:
    text = decode(content)
    if len(text) > MAX_CHARACTERS:
        raise too_large(f"has {len(text)} characters; the limit is {MAX_CHARACTERS}")
    return _text_parser(media_type)(text)


def _text_parser(media_type: str) -> Callable[[str], Parsed]:
    # Imported where it is used: a function that never reads HTML or Markdown does not pay for their parsers.
    if media_type == "text/markdown":
        from steersman.knowledge.markdown import parse_markdown

        return parse_markdown
    if media_type == "text/html":
        from steersman.knowledge.html import parse_html

        return parse_html
    from steersman.knowledge.plain import parse_plain

    return parse_plain


def _parse_pdf(content: bytes, max_pages: int) -> Parsed:
    from steersman.knowledge.pdf import parse_pdf

    return parse_pdf(content, max_pages=max_pages, max_characters=MAX_CHARACTERS)


def decode(content: bytes) -> str:
    """Return the text of `content`; raise InvalidInput when it is not text."""
    encoding = next((name for bom, name in _BOMS if content.startswith(bom)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as exc:
        raise refused("content", f"is not {encoding} text: byte {exc.start} cannot be decoded") from exc
    if "\x00" in text:
        raise refused("content", f"is not text: it has a NUL character at position {text.index(chr(0))}")
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def _checked(parsed: Parsed) -> Parsed:
    blocks = tuple(
        Block(text, tuple(filter(None, map(one_line, block.path))), block.kind)
        for block in parsed.blocks
        if (text := _clean_lines(block.text))
    )
    title = one_line(parsed.title or "") or None
    if not blocks and title:
        blocks = (Block(title),)
    if not any(character.isalnum() for block in blocks for character in block.text):
        raise refused("content", "has no readable text")
    return Parsed(title, blocks)


def _clean_lines(text: str) -> str:
    return "\n".join(line for line in map(str.rstrip, readable(text).split("\n")) if line).strip()
