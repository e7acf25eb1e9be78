"""Markdown (CommonMark with tables) as blocks; HTML inside it is read as HTML."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from steersman.knowledge.blocks import Block, Kind, Outline, Parsed, row_text
from steersman.knowledge.html import html_text

_PICTURES = frozenset({"mermaid", "dot", "graphviz", "plantuml"})  # drawn from text, and not text to a reader
_FRONT_MATTER = "---\n"


def parse_markdown(text: str) -> Parsed:
    """Return the blocks of a Markdown text; links keep their words, images are dropped."""
    tokens = MarkdownIt("commonmark").enable("table").parse(_without_front_matter(text))
    blocks = tuple(_blocks(tokens))
    return Parsed(_first_title(tokens), blocks)


def _without_front_matter(text: str) -> str:
    if not text.startswith(_FRONT_MATTER):
        return text
    end = text.find("\n---", len(_FRONT_MATTER))
    return text if end < 0 else text[end + 4 :]


def _first_title(tokens: Sequence[Token]) -> str | None:
    for token, following in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            return _inline(following)
    return None


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    outline = Outline()
    table = _Table()
    depth = 0
    heading = 0
    for token in tokens:
        depth += token.nesting if token.type in ("list_item_open", "list_item_close") else 0
        if token.type == "heading_open":
            heading = int(token.tag[1])
        elif token.type == "inline" and heading:
            outline.enter(heading, _inline(token))
            heading = 0
        elif table.takes(token):
            if row := table.finished_row(token):
                yield Block(row, outline.path, "row")
        elif kind := _kind(token, depth):
            yield Block(_content(token), outline.path, kind)


def _kind(token: Token, depth: int) -> Kind | None:
    if token.type in ("fence", "code_block"):
        return None if token.info.strip().lower() in _PICTURES else "code"
    if token.type == "inline":
        return "item" if depth else "prose"
    return "prose" if token.type == "html_block" else None


def _content(token: Token) -> str:
    if token.type == "inline":
        return _inline(token)
    return html_text(token.content) if token.type == "html_block" else token.content.strip("\n")


class _Table:
    """Collects the cells of the table that is being read."""

    def __init__(self) -> None:
        self._open = False
        self._in_header = False
        self._header: list[str] = []
        self._row: list[str] = []

    def takes(self, token: Token) -> bool:
        """Follow `token`; say whether it belongs to a table."""
        match token.type:
            case "table_open":
                self._open, self._header = True, []
            case "thead_open" | "thead_close":
                self._in_header = token.nesting > 0
            case "tr_open":
                self._row = []
            case "inline" if self._open:
                self._row.append(_inline(token))
            case "table_close":
                self._open = False
                return True
        return self._open

    def finished_row(self, token: Token) -> str:
        """Return the row that `token` ends as text; empty while none ends."""
        if token.type != "tr_close":
            return ""
        if self._in_header:
            self._header = self._row
            return ""
        return row_text(self._header, self._row)


def _inline(token: Token) -> str:
    parts: list[str] = []
    for child in token.children or ():
        match child.type:
            case "text" | "code_inline":
                parts.append(child.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "html_inline" if child.content.lower().startswith("<br"):
                parts.append("\n")
    return " ".join("".join(parts).split(" ")).strip()
