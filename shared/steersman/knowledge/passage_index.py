"""The SQL of hybrid search: one round trip for any number of questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.knowledge.retrieval import Candidate, Found
from steersman.knowledge.store import vector_text

PER_ARM = 24
# A term that stands in more passages than this says little and costs much; its count is not taken further either.
COMMON = 2_000


@dataclass(frozen=True, kw_only=True)
class Query:
    """One search: the project to search in, the terms to look for and the vector of the question."""

    project_id: UUID
    terms: Sequence[str]
    vector: Sequence[float]


# One row for each query. The weight of a term is BM25's inverse document frequency (Robertson and Zaragoza 2009);
# ts_rank of a single term damps its repetitions, as BM25 does, and passages are of equal length by construction.
# The settings are made in the same statement, before the index is first read: a SET would be another round trip.
# Iterative scans go on until enough passages of the project are found, however small its share of the index.
_SEARCH = """
WITH tuned AS MATERIALIZED (
  SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '80', true)
), asked AS MATERIALIZED (
  SELECT q.n, q.project_id, q.vector::vector AS vector,
         (SELECT coalesce(sum(d.chunk_count), 0) FROM documents d WHERE d.project_id = q.project_id) AS passages
  FROM tuned, unnest(%(numbers)s::int[], %(projects)s::uuid[], %(vectors)s::text[]) AS q (n, project_id, vector)
), terms AS MATERIALIZED (
  SELECT a.n, a.project_id, a.passages, t.term, plainto_tsquery('english', t.term) AS query
  FROM unnest(%(term_numbers)s::int[], %(terms)s::text[]) AS t (n, term) JOIN asked a USING (n)
), counted AS MATERIALIZED (
  SELECT t.n, t.project_id, t.term, t.query, f.frequency,
         ln(1 + (greatest(t.passages, f.frequency) - f.frequency + 0.5) / (f.frequency + 0.5))::float8 AS weight
  FROM terms t CROSS JOIN LATERAL (
    SELECT count(*) AS frequency FROM (
      SELECT FROM document_chunks c WHERE c.project_id = t.project_id AND c.search @@ t.query
      LIMIT %(common)s) AS matches
  ) AS f
  WHERE numnode(t.query) > 0
), lexical AS (
  SELECT a.n, hit.id, hit.score, row_number() OVER (PARTITION BY a.n ORDER BY hit.score DESC, hit.id) AS rank
  FROM asked a CROSS JOIN LATERAL (
    SELECT c.id, sum(t.weight * ts_rank('{0.1, 0.2, 0.6, 1.0}', c.search, t.query)) AS score
    FROM (SELECT DISTINCT ON (query) query, weight FROM counted
          WHERE n = a.n AND frequency BETWEEN 1 AND %(common)s - 1) AS t
    JOIN document_chunks c ON c.project_id = a.project_id AND c.search @@ t.query
    GROUP BY c.id ORDER BY score DESC, c.id LIMIT %(per_arm)s
  ) AS hit
), semantic AS (
  SELECT a.n, hit.id, row_number() OVER (PARTITION BY a.n ORDER BY hit.distance, hit.id) AS rank
  FROM asked a CROSS JOIN LATERAL (
    SELECT c.id, c.embedding <=> a.vector AS distance FROM document_chunks c
    WHERE c.project_id = a.project_id AND c.embedding_model = %(model)s
    ORDER BY c.embedding <=> a.vector LIMIT %(per_arm)s
  ) AS hit
), fused AS (
  SELECT n, id, l.score, l.rank AS lexical_rank, s.rank AS semantic_rank
  FROM lexical l FULL JOIN semantic s USING (n, id)
), candidates AS (
  SELECT f.n, jsonb_agg(jsonb_build_object(
    'chunk_id', c.id, 'document_id', c.document_id, 'title', d.title, 'source_uri', d.source_uri,
    'heading', c.heading, 'position', c.position, 'passage', c.passage, 'updated_at', d.updated_at,
    'similarity', CASE WHEN c.embedding_model = %(model)s THEN 1 - (c.embedding <=> a.vector) ELSE 0 END,
    'lexical', coalesce(f.score, 0), 'lexical_rank', f.lexical_rank, 'semantic_rank', f.semantic_rank)) AS found
  FROM fused f JOIN asked a USING (n) JOIN document_chunks c ON c.id = f.id JOIN documents d ON d.id = c.document_id
  GROUP BY f.n
)
SELECT a.n, coalesce(c.found, '[]') AS candidates,
       coalesce((SELECT jsonb_object_agg(t.term, t.weight) FROM counted t WHERE t.n = a.n), '{}') AS weights
FROM asked a LEFT JOIN candidates c USING (n) ORDER BY a.n
"""


class PassageIndex:
    """Hybrid search over the passages of projects. Errors are those of the database door."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(
        self, queries: Sequence[Query], *, embedding_model: str, per_arm: int = PER_ARM
    ) -> list[Found]:
        """Return what each query finds, in their order, up to `per_arm` passages by words and as many by meaning.

        One round trip. Only vectors of `embedding_model` are compared with the query's.
        """
        if not queries:
            return []
        pairs = [(number, term) for number, query in enumerate(queries) for term in query.terms]
        rows = self._database.run(
            _SEARCH,
            {
                "numbers": list(range(len(queries))),
                "projects": [query.project_id for query in queries],
                "vectors": [vector_text(query.vector) for query in queries],
                "term_numbers": [number for number, _ in pairs],
                "terms": [term for _, term in pairs],
                "model": embedding_model,
                "per_arm": per_arm,
                "common": COMMON,
            },
        )
        return [_found(row) for row in rows]


def _found(row: Mapping[str, Any]) -> Found:
    return Found(candidates=tuple(_candidate(one) for one in row["candidates"]), weights=row["weights"])


def _candidate(one: Mapping[str, Any]) -> Candidate:
    return Candidate(
        **{
            **one,
            "chunk_id": UUID(one["chunk_id"]),
            "document_id": UUID(one["document_id"]),
            "updated_at": datetime.fromisoformat(one["updated_at"]),
        }
    )
