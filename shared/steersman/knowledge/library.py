"""The documents of projects, for the API: originals in S3, passages and vectors in Postgres."""

import base64
import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Fault, InvalidInput, TooLarge, Unavailable
from steersman.http import cursors
from steersman.knowledge import documents
from steersman.knowledge.store import Document, DocumentStore
from steersman.knowledge.views import DocumentUpload
from steersman.llm.choose import choose_embedder
from steersman.llm.port import Embedder
from steersman.settings import Settings

MAX_DOCUMENT_BYTES = 3 * 1024 * 1024


class Library:
    """Takes in, lists and deletes documents. `s3` is asked for only where an original is kept."""

    def __init__(
        self, *, store: DocumentStore, embedder: Callable[[], Embedder], s3: Callable[[], Any], bucket: str
    ):
        self._store = store
        self._new_embedder = embedder
        self._new_s3 = s3
        self._bucket = bucket

    @classmethod
    def of(cls, database: Database, settings: Settings, s3: Callable[[], Any]) -> "Library":
        return cls(
            store=DocumentStore(database),
            embedder=lambda: choose_embedder(settings),
            s3=s3,
            bucket=settings.documents_bucket,
        )

    def add(self, project_id: UUID, upload: DocumentUpload) -> dict[str, Any]:
        """Take in a document and return its entry; raise InvalidInput or TooLarge naming the field."""
        content = _content(upload)
        new = documents.NewDocument(
            project_id=project_id,
            source_uri=upload.source_uri,
            media_type=upload.media_type,
            content=content,
            title=upload.title,
            labels=upload.labels,
            storage_key=_key(project_id, upload.source_uri, content) if self._bucket else None,
        )
        document = documents.ingest(new, store=self._store, embedder=self._embedder)
        # After the database: a refused document leaves nothing behind, and repeating the request heals a failure.
        if document.storage_key:
            self._s3_call("put_object", Key=document.storage_key, Body=content, ContentType=upload.media_type)
        return _shown(document)

    def page(self, project_id: UUID, *, cursor: str | None, limit: int) -> dict[str, Any]:
        """Return {"documents", "next_cursor"}, newest first."""
        before = cursors.decode_id("documents", cursor)
        found = documents.list_documents(project_id, store=self._store, before=before, limit=limit + 1)
        more, found = len(found) > limit, found[:limit]
        return {
            "documents": [_shown(document) for document in found],
            "next_cursor": cursors.encode("documents", str(found[-1].id)) if more else None,
        }

    def get(self, project_id: UUID, document_id: UUID) -> dict[str, Any]:
        """Return a document's entry; raise NotFound."""
        return _shown(documents.get(project_id, document_id, store=self._store))

    def delete(self, project_id: UUID, document_id: UUID) -> None:
        """Delete a document, its passages and its original; raise NotFound."""
        document = documents.get(project_id, document_id, store=self._store)
        documents.delete(project_id, document_id, store=self._store)
        if document.storage_key:
            self._s3_call("delete_object", Key=document.storage_key)

    @cached_property
    def _embedder(self) -> Embedder:
        return self._new_embedder()

    @cached_property
    def _s3(self) -> Any:
        return self._new_s3()

    def _s3_call(self, action: str, **arguments: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            getattr(self._s3, action)(Bucket=self._bucket, **arguments)
        except (BotoCoreError, ClientError) as exc:
            raise Unavailable(
                "the document store does not answer; send the request again", retry_after_s=2
            ) from exc


def _content(upload: DocumentUpload) -> bytes:
    if (upload.content is None) == (upload.content_base64 is None):
        fault = Fault("content", "give either content (text) or content_base64 (bytes)")
        raise InvalidInput("the document is not valid", faults=(fault,))
    if upload.content is not None:
        field, content = "content", upload.content.encode()
    else:
        try:
            field, content = "content_base64", base64.b64decode(upload.content_base64 or "", validate=True)
        except ValueError:
            fault = Fault("content_base64", "not base64")
            raise InvalidInput("the document is not valid", faults=(fault,)) from None
    if len(content) > MAX_DOCUMENT_BYTES:
        reason = f"has {len(content)} bytes; the limit is {MAX_DOCUMENT_BYTES} (split the document)"
        raise TooLarge("the document is too large", faults=(Fault(field, reason),))
    return content


def _key(project_id: UUID, source_uri: str, content: bytes) -> str:
    source = hashlib.sha256(source_uri.encode()).hexdigest()[:32]
    return f"documents/{project_id}/{source}/{hashlib.sha256(content).hexdigest()}"


def _shown(document: Document) -> dict[str, Any]:
    hidden = {"project_id", "storage_key"}
    return {name: value for name, value in vars(document).items() if name not in hidden}
