"""Documents as the API shows and takes them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from steersman.http.fields import Body, Label, LabelValue, Moment, ProjectSlug

MediaType = Literal["text/markdown", "text/plain", "text/html", "application/pdf"]


class DocumentUpload(Body):
    """A document to search: its text in `content`, or its bytes (PDF) in `content_base64`."""

    project: ProjectSlug = "default"
    source_uri: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="Where it is from; unique in its project"
    )
    media_type: MediaType
    title: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    content: str | None = None
    content_base64: str | None = None
    labels: dict[Label, LabelValue] = Field(default={}, max_length=50)


class DocumentView(BaseModel):
    """A document's entry."""

    id: UUID
    title: str
    source_uri: str
    media_type: MediaType
    language: str
    sha256: str
    size_bytes: int
    chunk_count: int
    labels: dict[str, str]
    created_at: Moment
    updated_at: Moment


class DocumentPage(BaseModel):
    """Documents, newest first; `next_cursor` is null on the last page."""

    documents: list[DocumentView]
    next_cursor: str | None
