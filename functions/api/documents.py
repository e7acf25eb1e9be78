"""Documents over HTTP: what the retrieval of a project searches."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from steersman.bootstrap import parts
from steersman.http.api import Api, IdempotencyKey, created, new_router, problems
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug
from steersman.http.idempotency import once
from steersman.knowledge.views import DocumentPage, DocumentUpload, DocumentView

router = new_router()


@router.post(
    "/v1/documents", tags=["documents"], summary="Add a document", operation_id="addDocument", status_code=201,
    responses=problems(DocumentView, 201, 400, 413, 415, 422, 429, 503),
)  # fmt: skip
def add_document(body: DocumentUpload, idempotency_key: IdempotencyKey = None) -> Response[DocumentView]:
    """Read, cut, embed and store a document; the same source again replaces what was there."""
    project_id = parts().projects.id(body.project)
    answer = once(
        parts().database,
        project_id=project_id,
        route="/v1/documents",
        key=idempotency_key,
        body=body.model_dump(mode="json"),
        action=lambda: parts().library.add(project_id, body),
    )
    return created(answer, location=f"/v1/documents/{answer['id']}")


@router.get(
    "/v1/documents", tags=["documents"], summary="List documents, newest first", operation_id="listDocuments",
    responses=problems(DocumentPage, 200, 422, 429, 503),
)  # fmt: skip
def list_documents(
    project: Annotated[ProjectSlug, Query()] = "default", cursor: Cursor = None, limit: Limit = 50
) -> DocumentPage:
    """Return the documents of a project."""
    page = parts().library.page(parts().projects.id(project), cursor=cursor, limit=limit)
    return DocumentPage.model_validate(page)


@router.get(
    "/v1/documents/<document_id>", tags=["documents"], summary="Read a document's entry", operation_id="getDocument",
    responses=problems(DocumentView, 200, 404, 422, 429, 503),
)  # fmt: skip
def get_document(document_id: UUID, project: Annotated[ProjectSlug, Query()] = "default") -> DocumentView:
    """Return what is known of a document."""
    return DocumentView.model_validate(parts().library.get(parts().projects.id(project), document_id))


@router.delete(
    "/v1/documents/<document_id>", tags=["documents"], summary="Delete a document", operation_id="deleteDocument",
    status_code=204, responses=problems(None, 204, 404, 422, 429, 503),
)  # fmt: skip
def delete_document(
    document_id: UUID, project: Annotated[ProjectSlug, Query()] = "default"
) -> Response[None]:
    """Delete a document with its passages; evidence that rests on it keeps its text."""
    parts().library.delete(parts().projects.id(project), document_id)
    return Response(status_code=204)


handler = Api(router, parts)
