"""The SQL of documents and their passages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from steersman.db.connection import Connection, Database
from steersman.ids import new_id
from steersman.json import dumps_text
from steersman.knowledge.chunking import Chunk

COLUMNS = (
    "id, project_id, title, source_uri, media_type, language, sha256, size_bytes, storage_key, chunk_count, labels, "
    "created_at, updated_at"
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A stored document; times are aware and in UTC."""

    id: UUID
    project_id: UUID
    title: str
    source_uri: str
    media_type: str
    language: str
    sha256: str
    size_bytes: int
    storage_key: str | None
    chunk_count: int
    labels: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class DocumentRow:
    """A document to be written, without what the database adds."""

    project_id: UUID
    title: str
    source_uri: str
    media_type: str
    language: str
    sha256: str
    size_bytes: int
    storage_key: str | None
    labels: Mapping[str, Any]


# The only thing formatted into these statements is COLUMNS.
# The embedding model is part of what makes a document the same: vectors of two models cannot be compared.
_UNCHANGED = f"""
SELECT {COLUMNS} FROM documents d
WHERE project_id = %(project_id)s AND source_uri = %(source_uri)s AND sha256 = %(sha256)s
  AND media_type = %(media_type)s AND title = coalesce(%(title)s, title) AND labels = %(labels)s::jsonb
  AND EXISTS (SELECT FROM document_chunks c WHERE c.document_id = d.id AND c.embedding_model = %(embedding_model)s)
"""  # noqa: S608

_WRITE = f"""
INSERT INTO documents AS d (id, project_id, title, source_uri, media_type, language, sha256, size_bytes, storage_key,
                            chunk_count, labels)
VALUES (%(id)s, %(project_id)s, %(title)s, %(source_uri)s, %(media_type)s, %(language)s, %(sha256)s, %(size_bytes)s,
        %(storage_key)s, %(chunk_count)s, %(labels)s::jsonb)
ON CONFLICT (project_id, source_uri) DO UPDATE SET
  title = excluded.title, media_type = excluded.media_type, language = excluded.language, sha256 = excluded.sha256,
  size_bytes = excluded.size_bytes, storage_key = excluded.storage_key, chunk_count = excluded.chunk_count,
  labels = excluded.labels
RETURNING {COLUMNS}
"""  # noqa: S608

_COPY = """
COPY document_chunks (id, project_id, document_id, position, heading, passage, embedding, embedding_model) FROM STDIN
"""

_LIST = f"""
SELECT {COLUMNS} FROM documents
WHERE project_id = %(project_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)
ORDER BY id DESC LIMIT %(limit)s
"""  # noqa: S608


class DocumentStore:
    """Documents and their passages in PostgreSQL. Errors are those of the database door."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unchanged(
        self,
        *,
        project_id: UUID,
        source_uri: str,
        sha256: str,
        media_type: str,
        title: str | None,
        labels: Mapping[str, Any],
        embedding_model: str,
    ) -> Document | None:
        """Return the document at `source_uri` if it already holds exactly this content, in these vectors."""
        rows = self._database.run(
            _UNCHANGED,
            {
                "project_id": project_id,
                "source_uri": source_uri,
                "sha256": sha256,
                "media_type": media_type,
                "title": title,
                "labels": dumps_text(labels),
                "embedding_model": embedding_model,
            },
        )
        return Document(**rows[0]) if rows else None

    def write(
        self,
        row: DocumentRow,
        chunks: Sequence[Chunk],
        vectors: Sequence[Sequence[float]],
        embedding_model: str,
    ) -> Document:
        """Store a document and its passages, replacing what was at its source, in one transaction.

        Readers see the old passages until all new ones are there; the document keeps its id. A fixed number of round
        trips, whatever the number of passages.
        """
        with self._database.transaction() as connection:
            written = _write_document(connection, row, len(chunks))
            connection.execute("DELETE FROM document_chunks WHERE document_id = %s", (written.id,))
            with connection.cursor().copy(_COPY) as copy:
                for chunk, vector in zip(chunks, vectors, strict=True):
                    copy.write_row(_chunk_row(written, chunk, vector, embedding_model))
        return written

    def get(self, project_id: UUID, document_id: UUID) -> Document | None:
        """Return a document of the project, or None."""
        rows = self._database.run(
            f"SELECT {COLUMNS} FROM documents WHERE project_id = %(project_id)s AND id = %(id)s",  # noqa: S608
            {"project_id": project_id, "id": document_id},
        )
        return Document(**rows[0]) if rows else None

    def page(self, project_id: UUID, *, before: UUID | None, limit: int) -> list[Document]:
        """Return up to `limit` documents of the project, newest first, that are older than the id `before`."""
        rows = self._database.run(_LIST, {"project_id": project_id, "before": before, "limit": limit})
        return [Document(**row) for row in rows]

    def delete(self, project_id: UUID, document_id: UUID) -> bool:
        """Delete a document and its passages; return whether it existed. Evidence keeps its own copy of passages."""
        return bool(
            self._database.run(
                "DELETE FROM documents WHERE project_id = %(project_id)s AND id = %(id)s RETURNING id",
                {"project_id": project_id, "id": document_id},
            )
        )


def _write_document(connection: Connection, row: DocumentRow, chunk_count: int) -> Document:
    values = {**vars(row), "id": new_id(), "chunk_count": chunk_count, "labels": dumps_text(row.labels)}
    written = connection.execute(_WRITE, values).fetchone()
    assert written is not None  # noqa: S101  INSERT ... RETURNING gives its row
    return Document(**written)


def _chunk_row(document: Document, chunk: Chunk, vector: Sequence[float], model: str) -> tuple[Any, ...]:
    return (
        new_id(),
        document.project_id,
        document.id,
        chunk.position,
        chunk.heading,
        chunk.passage,
        vector_text(vector),
        model,
    )


def vector_text(vector: Sequence[float]) -> str:
    """Return a vector in the text form of pgvector."""
    return orjson.dumps(vector).decode()
