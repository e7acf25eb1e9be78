"""What every parser makes of a document: blocks of text, each under its path of headings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prose", "item", "code", "row"]


@dataclass(frozen=True)
class Block:
    """One paragraph, list item, table row or piece of code; `path` holds the headings above it, outermost first."""

    text: str
    path: tuple[str, ...] = ()
    kind: Kind = "prose"


@dataclass(frozen=True)
class Parsed:
    """A document read: its own title where it states one, and its blocks in reading order."""

    title: str | None
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        return "\n".join(block.text for block in self.blocks)


class Outline:
    """The path of headings at the current place of a document that is read from top to bottom."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, heading: str) -> None:
        """Open a heading of `level` (1 is outermost); it closes those of its level and below."""
        self._open = [(n, text) for n, text in self._open if n < level]
        if heading:
            self._open.append((level, heading))

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._open)


def first_heading(blocks: Sequence[Block]) -> str | None:
    """Return the outermost heading of the first block that has one."""
    return next((block.path[0] for block in blocks if block.path), None)


def row_text(header: Sequence[str], cells: Sequence[str]) -> str:
    """Return a table row as one sentence that stands alone: `orjson — latency: 0.1; relative: 1`."""
    return "; ".join(_labelled(header, cells)).replace("; ", " — ", 1)


def _labelled(header: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        if not cell:
            continue
        label = header[number] if 0 < number < len(header) else ""
        yield f"{label}: {cell}" if label and len(cells) > 2 else cell
