"""The passage: what retrieval finds, answers rest on and evidence keeps; the form it has in stage outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["chunk_id", "kind", "title", "source_uri", "passage", "score"],
    "properties": {
        "chunk_id": {"type": "string", "minLength": 1},
        "document_id": {"type": ["string", "null"]},
        "kind": {"enum": ["document", "web"]},
        "title": {"type": "string"},
        "source_uri": {"type": "string"},
        "heading": {"type": "string"},
        "position": {"type": "integer", "minimum": 0},
        "passage": {"type": "string"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "dated_at": {"type": ["string", "null"]},
    },
}


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of a source. `chunk_id` names it within a task; `score` (0 to 1) says how well it fits the question;
    `dated_at` (RFC 3339) is when its source was last known to be current, where that is known.
    """

    chunk_id: str
    document_id: str | None
    kind: Literal["document", "web"]
    title: str
    source_uri: str
    heading: str
    position: int
    passage: str
    score: float
    dated_at: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Passage":
        """Return the passage that `value` describes; raise KeyError, TypeError or ValueError when it is none."""
        kind = value["kind"]
        if kind not in ("document", "web"):
            raise ValueError(f"unknown kind of passage {kind!r}")
        return cls(
            chunk_id=str(value["chunk_id"]),
            document_id=value.get("document_id"),
            kind=kind,
            title=str(value["title"]),
            source_uri=str(value["source_uri"]),
            heading=str(value.get("heading") or ""),
            position=int(value.get("position") or 0),
            passage=str(value["passage"]),
            score=min(1.0, max(0.0, float(value["score"]))),
            dated_at=value.get("dated_at"),
        )


def read_passages(output: Mapping[str, Any] | None) -> list[Passage]:
    """Return the passages in a stage's output, leaving out what is none: outputs may come from foreign agents."""
    found: list[Passage] = []
    given = (output or {}).get("passages")
    for one in given if isinstance(given, list) else ():
        try:
            found.append(Passage.from_json(one))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


def merged(groups: Sequence[Sequence[Passage]]) -> list[Passage]:
    """Return the passages of several stages, best first, each chunk once."""
    best: dict[str, Passage] = {}
    for passage in (one for group in groups for one in group):
        known = best.get(passage.chunk_id)
        if known is None or passage.score > known.score:
            best[passage.chunk_id] = passage
    return sorted(best.values(), key=lambda one: -one.score)
