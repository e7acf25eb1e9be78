"""What plain full-text search makes of the same questions: ts_rank_cd over OR'ed words, the top passages as answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID

CITED = 3

_SEARCH = """
WITH asked AS (
  SELECT replace(plainto_tsquery('english', %(question)s)::text, '&', '|')::tsquery AS query
)
SELECT d.source_uri, c.passage FROM asked a JOIN document_chunks c ON c.search @@ a.query
JOIN documents d ON d.id = c.document_id
WHERE c.project_id = %(project_id)s
ORDER BY ts_rank_cd(c.search, a.query, 1) DESC, c.id LIMIT 5
"""


class HasText(Protocol):
    """A question."""

    @property
    def question(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What the baseline found and gave as its answer; it declines only where no word is found."""

    found: tuple[str, ...]
    cited: tuple[str, ...]
    text: str
    declined: bool


def ask(database: Database, questions: Sequence[HasText]) -> list[Baseline]:
    """Return the baseline's outcome of each question."""
    return [_ask(database, one.question) for one in questions]


def _ask(database: Database, question: str) -> Baseline:
    rows = database.run(_SEARCH, {"question": question, "project_id": DEFAULT_PROJECT_ID})
    cited = tuple(row["passage"] for row in rows[:CITED])
    return Baseline(
        found=tuple(row["source_uri"] for row in rows), cited=cited, text="\n".join(cited), declined=not rows
    )
