"""Documents: taking them in, listing, reading and deleting them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from steersman.errors import NotFound
from steersman.knowledge.chunking import SEPARATOR, Chunk, chunk
from steersman.knowledge.language import language_of
from steersman.knowledge.parsing import MEDIA_TYPES, parse
from steersman.knowledge.refusals import refused, too_large
from steersman.knowledge.store import Document, DocumentRow, DocumentStore
from steersman.llm.port import Embedder

MAX_CHUNKS = 5_000
MAX_TITLE = 500
MAX_SOURCE_URI = 2_000
DEFAULT_LIMIT = 50

_BY_SUFFIX = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain", ".text": "text/plain",
    ".rst": "text/plain", ".html": "text/html", ".htm": "text/html", ".pdf": "application/pdf",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    """A document to take in. `source_uri` says where it is from and is unique in a project; without a `title`
    the document's own is taken, or the name in its source. `storage_key` is where its original was kept, if it was.
    """

    project_id: UUID
    source_uri: str
    media_type: str
    content: bytes
    title: str | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    storage_key: str | None = None


def media_type_of(name: str) -> str | None:
    """Return the media type that a file name's ending tells, None where it tells none that can be read."""
    return _BY_SUFFIX.get(PurePosixPath(name.lower()).suffix)


def ingest(new: NewDocument, *, store: DocumentStore, embedder: Embedder) -> Document:
    """Read, cut, embed and store a document, and return it.

    The same content from the same source again changes nothing and returns what is there; other content replaces it
    at once, under the same id. Raises InvalidInput or TooLarge with the field; then nothing was stored.
    """
    _check(new)
    sha256 = hashlib.sha256(new.content).hexdigest()
    known = store.unchanged(
        project_id=new.project_id,
        source_uri=new.source_uri,
        sha256=sha256,
        media_type=new.media_type,
        title=new.title,
        labels=new.labels,
        embedding_model=embedder.name,
    )
    if known is not None:
        return known
    parsed = parse(new.content, new.media_type)
    title = (new.title or parsed.title or _name(new.source_uri))[:MAX_TITLE]
    chunks = chunk(parsed.blocks, title=title)
    if len(chunks) > MAX_CHUNKS:
        raise too_large(f"has {len(chunks)} passages; the limit is {MAX_CHUNKS}")
    row = DocumentRow(
        project_id=new.project_id,
        title=title,
        source_uri=new.source_uri,
        media_type=new.media_type,
        language=language_of(parsed.text),
        sha256=sha256,
        size_bytes=len(new.content),
        storage_key=new.storage_key,
        labels=new.labels,
    )
    return store.write(row, chunks, embedder.embed([embedded_text(one) for one in chunks]), embedder.name)


def embedded_text(one: Chunk) -> str:
    """Return what of a passage is embedded: its headings, then its text."""
    return f"{one.heading.replace(SEPARATOR, ': ')}\n{one.passage}"


def get(project_id: UUID, document_id: UUID, *, store: DocumentStore) -> Document:
    """Return a document of the project; raise NotFound."""
    document = store.get(project_id, document_id)
    if document is None:
        raise NotFound(f"There is no document {document_id} in this project.")
    return document


def list_documents(
    project_id: UUID, *, store: DocumentStore, before: UUID | None = None, limit: int = DEFAULT_LIMIT
) -> list[Document]:
    """Return a page of the project's documents, newest first; `before` is the last id of the page before."""
    return store.page(project_id, before=before, limit=max(1, limit))


def delete(project_id: UUID, document_id: UUID, *, store: DocumentStore) -> None:
    """Delete a document with its passages; raise NotFound."""
    if not store.delete(project_id, document_id):
        raise NotFound(f"There is no document {document_id} in this project.")


def _check(new: NewDocument) -> None:
    if new.media_type not in MEDIA_TYPES:
        raise refused("media_type", f"is {new.media_type!r}; it must be one of {', '.join(MEDIA_TYPES)}")
    for name, value, limit in (
        ("source_uri", new.source_uri, MAX_SOURCE_URI),
        ("title", new.title, MAX_TITLE),
    ):
        if value is None:
            continue
        if not value.strip():
            raise refused(name, "is empty")
        if len(value) > limit:
            raise refused(name, f"has {len(value)} characters; the limit is {limit}")
        if not value.isprintable():
            raise refused(name, "has characters that cannot be printed")


def _name(source_uri: str) -> str:
    path = unquote(urlsplit(source_uri).path).rstrip("/")
    return PurePosixPath(path).name or source_uri
