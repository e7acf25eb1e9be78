"""Plain text as blocks: paragraphs, underlined headings, and the marks of reStructuredText read as what they mean."""

import re
from collections.abc import Iterator

from steersman.knowledge.blocks import Block, Kind, Outline, Parsed

MAX_TITLE = 200
_TARGET = re.compile(r"^\s*\.\. _`?([^:`]+)`?:")
_EMPHASIS = re.compile(r"(?<![\w*])\*{1,2}([^\s*][^*]*?)\*{1,2}(?![\w*])")
_NAMED = re.compile(r"\b([\w.-]+?)__?(?![\w`])")
_UNDERLINE = re.compile(r"^([=\-~^\"'`#*+:._])\1{2,}\s*$")
_NUMBERED = re.compile(r"^#{1,6} +\S")
_MARKUP = re.compile(r"^\s*\.\. (\||_|(image|figure|raw|include|contents|highlight|role|start|end|meta)\b)")
_CODE = re.compile(r"^\s*\.\. (code|code-block|sourcecode|parsed-literal|toctree|automodule)::")
_DIRECTIVE = re.compile(r"^\s*\.\. [\w-]+::\s*")
_RULER = re.compile(r"^(?=.*[=\-]{2})[\s+|=\-]+$")
_OPTION = re.compile(r"^\s+:[\w-]+:")
_ITEM = re.compile(r"^\s*([-*+•]|\d{1,3}[.)]|#\.)\s+")
_LINE_BLOCK = re.compile(r"^\s*\| ")
# Bounded, so that a text made to be slow is not: nothing scans to the end of a document from each of its marks.
_ROLE = re.compile(r":[\w:+.-]{1,80}:`([^`<]{1,500})(?<! )(?: ?<[^`]{0,1000}>)?`")
_LINK = re.compile(r"`([^`<]{1,500}?) ?<[^`>]{0,1000}>`__?")
_LITERAL = re.compile(r"``([^`]+)``")
_REFERENCE = re.compile(r"`([^`]+)`__?|(?<!\w)\|([\w -]+)\|_{0,2}")


def parse_plain(text: str) -> Parsed:
    """Return the blocks of a plain text; headings are lines underlined with punctuation, or that begin with `# `."""
    blocks = tuple(_blocks(text.expandtabs(4).split("\n")))
    return Parsed(None, blocks or (Block(text),))


def _blocks(lines: list[str]) -> Iterator[Block]:
    reader = _Reader(frozenset(found[1] for line in lines if (found := _TARGET.match(line))))
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        yield from reader.read(line, following)
    yield from reader.read("", "")


class _Reader:
    """Follows a text line by line; `targets` are the names that the text gives addresses to."""

    def __init__(self, targets: frozenset[str]) -> None:
        self._targets = targets
        self._outline = Outline()
        self._levels: dict[str, int] = {}
        self._paragraph: list[str] = []
        self._code_follows = False

    def read(self, line: str, following: str) -> Iterator[Block]:
        if self._is_title(line, following):
            level = self._levels.setdefault(following[0], len(self._levels) + 1)
            self._enter(level, line)
        elif _NUMBERED.match(line) and not self._paragraph:
            self._enter(len(line) - len(line.lstrip("#")), line.lstrip("#"))
        elif line.strip() and not _UNDERLINE.match(line):
            self._paragraph.append(line)
        elif self._paragraph:
            lines, self._paragraph = self._paragraph, []
            yield from self._blocks_of(lines)

    def _enter(self, level: int, heading: str) -> None:
        self._code_follows = False
        self._outline.enter(level, self._plain(heading))

    def _is_title(self, line: str, following: str) -> bool:
        return (
            not self._paragraph
            and bool(line.strip())
            and not line.startswith(" ")
            and not _UNDERLINE.match(line)
            and bool(_UNDERLINE.match(following))
            and len(following.rstrip()) + 2 >= len(line.strip())
            and len(line) <= MAX_TITLE
        )

    def _blocks_of(self, lines: list[str]) -> Iterator[Block]:
        """Yield the blocks of one paragraph: code where the text announced some, items, or prose."""
        indented = lines[0].startswith(" ")
        is_code = (self._code_follows and indented) or lines[0].lstrip().startswith((">>>", "$ "))
        if not indented:
            self._code_follows = bool(_CODE.match(lines[0])) or lines[-1].rstrip().endswith("::")
        kept = _without_markup(lines)
        if kept and is_code:
            yield Block("\n".join(_dedented(kept)), self._outline.path, "code")
            return
        item: list[str] = []
        kind: Kind = "prose"
        for line in kept:
            if _ITEM.match(line):
                yield from self._joined(item, kind)
                item, kind = [_ITEM.sub("", line)], "item"
            else:
                item.append(line)
        yield from self._joined(item, kind)

    def _joined(self, lines: list[str], kind: Kind) -> Iterator[Block]:
        text = self._plain(" ".join(_LINE_BLOCK.sub("", line).strip() for line in lines))
        if text:
            yield Block(text[:-1] if text.endswith("::") else text, self._outline.path, kind)

    def _plain(self, text: str) -> str:
        """Return `text` without the marks of inline markup."""
        for pattern in (_ROLE, _LINK, _LITERAL, _EMPHASIS):
            text = pattern.sub(r"\1", text)
        text = _REFERENCE.sub(lambda found: found[1] or "", text)
        text = _NAMED.sub(lambda found: found[1] if found[1] in self._targets else found[0], text)
        return " ".join(text.split())


def _without_markup(lines: list[str]) -> list[str]:
    if lines and _MARKUP.match(lines[0]):
        later = [line for line in lines[1:] if not line.startswith(" ")]
        return _without_markup(later) if later else []
    kept = (line for line in lines if not any(mark.match(line) for mark in (_OPTION, _MARKUP, _CODE, _RULER)))
    return [line for line in (_DIRECTIVE.sub("", line) for line in kept) if line.strip()]


def _dedented(lines: list[str]) -> list[str]:
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    return [line[margin:] for line in lines]
