"""Documents over HTTP: every kind is taken in, everything wrong is refused and leaves nothing."""

import base64
import hashlib
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.aws import BUCKET
from tests.fixtures.functions import Answer, Functions
from tests.fixtures.pdf import pdf

PDF = pdf("The harbour master keeps the key of the crane.", "The crane lifts twelve tons.")
KINDS: dict[str, dict[str, Any]] = {
    "text/markdown": {"content": "# Cranes\n\nThe crane lifts twelve tons.\n"},
    "text/plain": {"content": "The crane lifts twelve tons."},
    "text/html": {
        "content": "<html><title>Cranes</title><body><p>The crane lifts twelve tons.</p></body></html>"
    },
    "application/pdf": {"content_base64": base64.b64encode(PDF).decode()},
}


def upload(functions: Functions, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    body = {
        "source_uri": "test://cranes",
        "media_type": "text/plain",
        "content": "The crane lifts twelve tons.",
    }
    if "content_base64" in fields:
        body.pop("content")
    return functions.http("POST", "/v1/documents", {**body, **fields}, headers=headers)


def nothing_stored(functions: Functions) -> bool:
    return (
        not functions.rows("documents")
        and not functions.rows("document_chunks")
        and not functions.stored_objects()
    )


@pytest.mark.parametrize("media_type", KINDS)
def test_every_kind_of_document_is_taken_in(functions: Functions, media_type: str) -> None:
    """Markdown, text, HTML and PDF are read into passages; the entry can be read, and the original is kept."""
    answer = upload(functions, media_type=media_type, labels={"team": "harbour"}, **KINDS[media_type])
    assert answer.status == 201, answer.text
    document = answer.json
    assert (document["media_type"], document["labels"]) == (media_type, {"team": "harbour"})
    assert document["chunk_count"] >= 1
    assert functions.http("GET", answer.headers["location"]).json == document
    (row,) = functions.parts.database.run("SELECT string_agg(passage, ' ') AS text FROM document_chunks")
    assert "The crane lifts twelve tons." in row["text"]
    (key,) = functions.stored_objects()
    kept = functions.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert hashlib.sha256(kept).hexdigest() == document["sha256"]


def test_the_same_source_again_replaces_what_was_there(functions: Functions) -> None:
    """Another text from the same source takes the place of the first, under its id; the same text changes nothing."""
    first, same = upload(functions).json, upload(functions).json
    second = upload(functions, content="The crane lifts twenty tons.").json
    assert first == same
    assert second["id"] == first["id"]
    assert functions.rows("documents") == functions.rows("document_chunks") == 1


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"media_type": "image/png"}, 422, "media_type"),
        ({"media_type": None}, 422, "media_type"),
        ({"source_uri": ""}, 422, "source_uri"),
        ({"source_uri": "x" * 2001}, 422, "source_uri"),
        ({"source_uri": "a\0b"}, 422, "source_uri"),
        ({"title": ""}, 422, "title"),
        ({"title": "x" * 501}, 422, "title"),
        ({"content": ""}, 422, "content"),
        ({"content": " \n\t "}, 422, "content"),
        ({"content": "!!! ???"}, 422, "content"),
        ({"content": "a\0b"}, 422, "content"),
        ({"content": None}, 422, "content"),
        ({"content": "x " * 1_600_000}, 413, "content"),
        ({"content_base64": "*not base64*"}, 422, "content_base64"),
        ({"content_base64": "", "content": None}, 422, "content"),
        ({"content_base64": base64.b64encode(b"\xff\xfe\xfd").decode()}, 422, "content"),
        (
            {"media_type": "application/pdf", "content_base64": base64.b64encode(b"just text").decode()},
            422,
            "content",
        ),
        (
            {"media_type": "application/pdf", "content_base64": base64.b64encode(PDF[:200]).decode()},
            422,
            "content",
        ),
        (
            {"media_type": "application/pdf", "content_base64": base64.b64encode(b"%PDF-1.4\n").decode()},
            422,
            "content",
        ),
        (
            {"media_type": "application/pdf", "content_base64": base64.b64encode(pdf()).decode()},
            422,
            "content",
        ),
        ({"media_type": "text/html", "content": "<html></html>"}, 422, "content"),
        ({"labels": {"k": "\0"}}, 422, "labels.k"),
        ({"labels": {"not a label": ""}}, 422, "labels.not a label.[key]"),
        ({"project": "nobody"}, 422, "project"),
        ({"kontent": "x"}, 422, "kontent"),
    ],
)
def test_a_wrong_document_is_refused_and_leaves_nothing(
    functions: Functions, change: dict[str, Any], status: int, field: str
) -> None:
    """Whatever is wrong is a 4xx that names the field; no row and no object stay behind."""
    answer = upload(functions, headers={"idempotency-key": "k"}, **change)
    assert answer.status == status, answer.text[:500]
    assert field in {fault["field"] for fault in answer.json["errors"]}
    assert len(answer.text) < 2000
    assert nothing_stored(functions)
    assert functions.rows("idempotency_keys") == 0


def test_both_forms_of_content_at_once_are_refused(functions: Functions) -> None:
    """A document has its text or its bytes, not both."""
    body = {"source_uri": "x", "media_type": "text/plain", "content": "a b", "content_base64": "YSBi"}
    answer = functions.http("POST", "/v1/documents", body)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "content")
    assert nothing_stored(functions)


def test_a_document_under_a_key_is_taken_in_once(functions: Functions) -> None:
    """The same upload under its key has the same answer; another one under it is refused."""
    key = {"idempotency-key": "k"}
    first, second = upload(functions, headers=key), upload(functions, headers=key)
    assert first.text == second.text
    assert upload(functions, headers=key, content="Something else.").status == 422


def test_a_list_pages_through_all_documents(functions: Functions) -> None:
    """Pages hold every document once, newest first."""
    ids = [upload(functions, source_uri=f"test://{n}").json["id"] for n in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = functions.http("GET", "/v1/documents", limit=2, **cursor).json
        found += [one["id"] for one in page["documents"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ids[::-1]


def test_a_deleted_document_is_gone(functions: Functions) -> None:
    """Delete removes entry, passages and original; what is not there is 404."""
    path = upload(functions).headers["location"]
    answer = functions.http("DELETE", path)
    assert (answer.status, answer.text) == (204, "")
    assert nothing_stored(functions)
    assert functions.http("DELETE", path).status == functions.http("GET", path).status == 404
    assert functions.http("DELETE", f"/v1/documents/{uuid4()}").status == 404


def test_without_the_store_of_originals_a_document_can_be_sent_again(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When S3 is away the upload is 503; sent again it is complete."""
    functions.s3.delete_bucket(Bucket=BUCKET)
    assert upload(functions).status == 503
    functions.s3.create_bucket(Bucket=BUCKET)
    assert upload(functions).status == 201
    assert len(functions.stored_objects()) == 1
