"""Cutting a document into passages of about 120 to 250 words that can be read on their own. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from steersman.knowledge.blocks import Block
from steersman.knowledge.sentences import pieces, sentences

MIN_WORDS = 90
TARGET_WORDS = 180
MAX_WORDS = 250
MAX_CHARACTERS = 2_400
OVERLAP_WORDS = 30
OVERLAP_CHARACTERS = 300
SEPARATOR = " > "


@dataclass(frozen=True)
class Chunk:
    """One passage: its place in the document from 0, the headings above it, its text."""

    position: int
    heading: str
    passage: str


def chunk(blocks: Sequence[Block], *, title: str) -> list[Chunk]:
    """Return the passages of a document in reading order.

    A heading starts a new passage unless the passage before is still short. A block that is too long is cut between
    sentences, and its last sentence opens the next passage again where it is short, so that what refers back is kept.
    """
    return [
        Chunk(position, _heading(title, draft.path), draft.text)
        for position, draft in enumerate(_drafts(_fitting(blocks)))
    ]


@dataclass
class _Draft:
    path: tuple[str, ...]
    last_path: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    words: int = 0
    characters: int = 0

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def add(self, block: Block) -> None:
        if block.path != self.last_path:
            # A passage that spans headings stands under what they share, and names each where its text begins.
            shared = _shared(self.path, block.path)
            self._prepend(self.path[len(shared) :])
            self._append("\n".join(block.path[len(_shared(self.last_path, block.path)) :]))
            self.path, self.last_path = shared, block.path
        self._append(block.text)

    def _prepend(self, headings: tuple[str, ...]) -> None:
        self.lines[:0] = headings
        self.words += sum(len(heading.split()) for heading in headings)

    def _append(self, line: str) -> None:
        if line:
            self.lines.append(line)
            self.words += len(line.split())
            self.characters += len(line) + 1

    def takes(self, block: Block) -> bool:
        words, characters = self.words + len(block.text.split()), self.characters + len(block.text)
        if words > MAX_WORDS or characters > MAX_CHARACTERS:
            return False
        if block.path != self.last_path:
            return self.words < MIN_WORDS
        return self.words < TARGET_WORDS


def _drafts(blocks: Iterable[Block]) -> Iterator[_Draft]:
    draft: _Draft | None = None
    for block in blocks:
        if draft is None or not draft.takes(block):
            overlap = (
                "" if draft is None or draft.last_path != block.path else _overlap(draft.lines[-1], block)
            )
            if draft is not None:
                yield draft
            draft = _Draft(block.path, block.path)
            if overlap:
                draft.add(Block(overlap, block.path))
        draft.add(block)
    if draft is not None:
        yield draft


def _overlap(line: str, block: Block) -> str:
    if block.kind in ("code", "row"):
        return line if line.endswith(":") and _short(line) else ""
    last = sentences(line)[-1:]
    return last[0] if last and _short(last[0]) else ""


def _short(text: str) -> bool:
    return len(text.split()) <= OVERLAP_WORDS and len(text) <= OVERLAP_CHARACTERS


def _fitting(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        if _fits(block.text):
            yield block
            continue
        for part in _parts(block):
            yield Block(part, block.path, block.kind)


def _fits(text: str) -> bool:
    return len(text) <= MAX_CHARACTERS // 2 and len(text.split()) <= MAX_WORDS // 2


def _parts(block: Block) -> Iterator[str]:
    """Cut a long block between lines of code or sentences of prose, into parts of at most half a passage."""
    units = block.text.split("\n") if block.kind == "code" else sentences(block.text)
    joint = "\n" if block.kind == "code" else " "
    part = ""
    for unit in units:
        for piece in [unit] if _fits(unit) else _hard_cut(unit):
            if part and not _fits(part + joint + piece):
                yield part
                part = ""
            part = part + joint + piece if part else piece
    if part:
        yield part


def _hard_cut(text: str) -> Iterator[str]:
    return pieces(text, max_words=MAX_WORDS // 2, max_characters=MAX_CHARACTERS // 2)


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    same = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        same += 1
    return one[:same]


def _heading(title: str, path: tuple[str, ...]) -> str:
    parts = [title, *(part for part in path if part.casefold() != title.casefold())]
    return SEPARATOR.join(part[:200] for part in parts)
