"""HTML as blocks: what a reader sees of a page, without scripts, styles, menus and footers."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from steersman.knowledge.blocks import Block, Kind, Outline, Parsed, row_text
from steersman.knowledge.refusals import refused

MAX_NESTING = 5_000
MAX_DEPTH = 100  # below it, what is nested deeper is read as one text
_UNSEEN = "script style template noscript nav footer svg iframe form button head"
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]{0,30})")
_LEFT_OPEN_TAGS = """
area base br col embed hr img input link meta source track wbr p li dt dd tr td th thead tbody tfoot
option optgroup colgroup caption rb rt rtc rp body html head
"""
_LEFT_OPEN = frozenset(_LEFT_OPEN_TAGS.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_KINDS: dict[str, Kind] = {
    "p": "prose",
    "li": "item",
    "dd": "item",
    "dt": "prose",
    "pre": "code",
    "blockquote": "prose",
}
_INLINE_TAGS = """
a abbr b bdi bdo cite code data del dfn em i img ins kbd label mark q s samp small span strong sub sup
time tt u var wbr font big -text
"""
_INLINE = frozenset(_INLINE_TAGS.split())


def parse_html(text: str) -> Parsed:
    """Return the blocks of an HTML page and the title in its head.

    Raises InvalidInput where tags are nested so deep that no page is: the parser's time grows with its square.
    """
    if nesting(text) > MAX_NESTING:
        raise refused("content", f"has tags that are nested more than {MAX_NESTING} deep")
    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    words = _words(title.text()) if title is not None else None
    tree.strip_tags(_UNSEEN.split(), recursive=True)
    blocks = tuple(_walk(tree.body, Outline())) if tree.body is not None else ()
    return Parsed(words, blocks)


def html_text(text: str) -> str:
    """Return the readable text of a piece of HTML, one line for each block."""
    if "<" not in text:
        return text
    return "\n".join(block.text for block in parse_html(text).blocks)


def nesting(text: str) -> int:
    """Return how deep the tags of `text` are nested, counting only those that must be closed."""
    depth = deepest = 0
    for tag in _TAG.finditer(text):
        if tag[2].lower() not in _LEFT_OPEN:
            depth = max(0, depth - 1) if tag[1] else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _walk(node: LexborNode, outline: Outline, depth: int = 0) -> Iterator[Block]:
    """Yield the blocks below `node`; runs of inline nodes between blocks are paragraphs of their own."""
    loose: list[str] = []
    if depth > MAX_DEPTH:
        yield from _paragraph([node.text(separator=" ")], outline, "prose")
        return
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag in _INLINE and (depth == MAX_DEPTH or not _holds_blocks(child)):
            loose.append(child.text())
            continue
        yield from _paragraph(loose, outline, _KINDS.get(node.tag or "", "prose"))
        yield from _block(child, tag, outline, depth)
    yield from _paragraph(loose, outline, _KINDS.get(node.tag or "", "prose"))


def _block(node: LexborNode, tag: str, outline: Outline, depth: int) -> Iterator[Block]:
    if tag in _HEADINGS:
        outline.enter(_HEADINGS[tag], _words(node.text()))
    elif tag == "pre":
        yield Block(node.text().strip("\n"), outline.path, "code")
    elif tag == "table" and node.css_first("td table, th table") is None:
        yield from _table(node, outline)
    elif tag not in ("br", "hr", "_comment"):
        yield from _walk(node, outline, depth + 1)


def _holds_blocks(node: LexborNode) -> bool:
    return node.tag != "-text" and node.css_first("p,li,pre,table,div,h1,h2,h3,h4,h5,h6") is not None


def _paragraph(loose: list[str], outline: Outline, kind: Kind) -> Iterator[Block]:
    text = _words("".join(loose))
    loose.clear()
    if text:
        yield Block(text, outline.path, kind)


def _table(table: LexborNode, outline: Outline) -> Iterator[Block]:
    header: list[str] = []
    for row in table.css("tr"):
        cells = [_words(cell.text(separator=" ")) for cell in row.css("th,td")]
        if not header and row.css_first("td") is None:
            header = cells
        elif any(cells):
            yield Block(row_text(header, cells), outline.path, "row")


def _words(text: str) -> str:
    return " ".join(text.split())
