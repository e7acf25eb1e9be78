"""The SQL of evidence: what answers rest on, kept once however often it is delivered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.ids import new_id
from steersman.json import dumps_text


@dataclass(frozen=True, kw_only=True)
class Support:
    """That a piece of evidence supports a statement of the answer (numbered from 1), how strongly (0 to 1)."""

    statement_number: int
    statement: str
    strength: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A source of a task's answer: its number in the answer, where it is from, its passage, how far it is believed."""

    task_id: UUID
    project_id: UUID
    number: int
    kind: str
    document_id: UUID | None
    chunk_id: UUID | None
    title: str
    source_uri: str
    passage: str
    credibility: Decimal
    credibility_reason: str
    supports: Sequence[Support] = ()


# The no-op update makes RETURNING give the rows that were there already. A document that was deleted meanwhile is
# left out of the row; its passage stays. Chains refer to evidence of the same statement: keys are checked at its end.
_KEEP = """
WITH given AS (
  SELECT * FROM jsonb_to_recordset(%(evidence)s::jsonb) AS g (
    id uuid, project_id uuid, task_id uuid, number smallint, kind text, document_id uuid, chunk_id uuid, title text,
    source_uri text, passage text, credibility numeric, credibility_reason text)
), kept AS (
  INSERT INTO evidence (id, project_id, task_id, number, kind, document_id, chunk_id, title, source_uri, passage,
                        credibility, credibility_reason)
  SELECT g.id, g.project_id, g.task_id, g.number, g.kind, d.id, g.chunk_id, g.title, g.source_uri, g.passage,
         g.credibility, g.credibility_reason
  FROM given g LEFT JOIN documents d ON d.id = g.document_id AND d.project_id = g.project_id
  ORDER BY g.task_id, g.number
  ON CONFLICT (task_id, number) DO UPDATE SET number = evidence.number
  RETURNING id, project_id, task_id, number
), chained AS (
  INSERT INTO evidence_chains (id, project_id, task_id, evidence_id, relation, statement_number, statement, strength)
  SELECT c.id, k.project_id, k.task_id, k.id, 'supports', c.statement_number, c.statement, c.strength
  FROM jsonb_to_recordset(%(chains)s::jsonb) AS c (
    id uuid, task_id uuid, number smallint, statement_number smallint, statement text, strength real)
  JOIN kept k USING (task_id, number)
  ORDER BY k.task_id, k.number, c.statement_number
  ON CONFLICT (evidence_id, statement_number, parent_evidence_id) DO NOTHING
)
SELECT id, task_id, number FROM kept ORDER BY task_id, number
"""

_OF_TASK = """
SELECT e.number, e.kind, e.document_id, e.chunk_id, e.title, e.source_uri, e.passage, e.credibility,
       e.credibility_reason, e.created_at,
       coalesce(jsonb_agg(jsonb_build_object('statement_number', c.statement_number, 'statement', c.statement,
                                             'relation', c.relation, 'strength', c.strength)
                          ORDER BY c.statement_number) FILTER (WHERE c.id IS NOT NULL), '[]') AS chains
FROM evidence e LEFT JOIN evidence_chains c ON c.evidence_id = e.id
WHERE e.project_id = %(project_id)s AND e.task_id = %(task_id)s
GROUP BY e.id ORDER BY e.number
"""


class EvidenceStore:
    """Evidence and its chains in PostgreSQL. Errors are those of the database door."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, evidence: Sequence[Evidence]) -> None:
        """Store the evidence of any number of tasks in one round trip; what is stored already stays as it is."""
        if not evidence:
            return
        rows = [_row(one) for one in evidence]
        chains = [
            {"id": new_id(), "task_id": one.task_id, "number": one.number, **vars(support)}
            for one in evidence
            for support in one.supports
        ]
        self._database.run(_KEEP, {"evidence": dumps_text(rows), "chains": dumps_text(chains)})

    def of_task(self, project_id: UUID, task_id: UUID) -> list[dict[str, Any]]:
        """Return a task's evidence in the order of its numbers, each with the statements that it supports."""
        return self._database.run(_OF_TASK, {"project_id": project_id, "task_id": task_id})


def _row(one: Evidence) -> Mapping[str, Any]:
    values = dict(vars(one))
    values.pop("supports")
    return {"id": new_id(), **values}
