"""Bad input of every kind: refused with the field that is wrong, and nothing stays behind."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import psycopg
import pytest

from steersman.http.cursors import encode
from tests.e2e.local_cloud import Steersman

TASK_ID = "01900000-0000-7000-8000-000000000001"
TASK = {"template": "standard_query", "input": {"question": "What is a stage?"}}
DOCUMENT = {"source_uri": "test:bad", "media_type": "text/plain", "content": "Some text."}
STAGE = {"queue": "executor", "capability": "answer.compose"}
TABLES = ("task_histories", "task_dag_templates", "documents", "document_chunks", "idempotency_keys")


def task(**changes: Any) -> dict[str, Any]:
    return {"json": {**TASK, **changes}}


def document(**changes: Any) -> dict[str, Any]:
    body = {**DOCUMENT, **changes}
    return {"json": {name: value for name, value in body.items() if value is not None}}


def template(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"json": {"template": {"name": "bad", "stages": [{**STAGE, **stage} for stage in stages]}}}


def encoded(content: bytes, media_type: str = "application/pdf") -> dict[str, Any]:
    return document(content=None, content_base64=base64.b64encode(content).decode(), media_type=media_type)


JSON = {"content-type": "application/json"}
CYCLE = template({"name": "a", "needs": ["b"]}, {"name": "b", "needs": ["a"]})
POSTS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "wrong JSON": ("/v1/tasks", {"content": '{"input": ', "headers": JSON}, 400, "body"),
    "no JSON at all": ("/v1/tasks", {"content": b"\xff\xfe", "headers": JSON}, 400, "body"),
    "a list": ("/v1/tasks", {"json": []}, 422, "body"),
    "no body": ("/v1/tasks", {"headers": JSON}, 422, "body"),
    "form data": ("/v1/tasks", {"data": {"a": "b"}}, 415, "Content-Type"),
    "an oversized body": ("/v1/tasks", task(labels={"x": "y" * 5_300_000}), 413, "body"),
    "a question of 1 MB": ("/v1/tasks", task(input={"question": "why " * 250_000}), 422, "input.question"),
    "an empty question": ("/v1/tasks", task(input={"question": "  "}), 422, "input.question"),
    "no question": ("/v1/tasks", task(input={}), 422, "input"),
    "a number for a question": ("/v1/tasks", task(input={"question": 7}), 422, "input.question"),
    "text for an input": ("/v1/tasks", task(input="why"), 422, "input"),
    "an unknown template": ("/v1/tasks", task(template="no_such"), 422, "template"),
    "an unknown version": ("/v1/tasks", task(template_version=99), 422, "template_version"),
    "an unknown priority": ("/v1/tasks", task(priority="now"), 422, "priority"),
    "an unknown capability": ("/v1/tasks", task(requirements=["no.such"]), 422, "requirements.0"),
    "an unknown field": ("/v1/tasks", task(prioriti="high"), 422, "prioriti"),
    "a deadline in the past": ("/v1/tasks", task(constraints={"deadline_s": -1}), 422, "constraints.deadline_s"),
    "a key too long": ("/v1/tasks", {**task(), "headers": {"idempotency-key": "k" * 256}}, 422, "Idempotency-Key"),
    "one bad task of two": ("/v1/tasks/batch", {"json": {"tasks": [TASK, {**TASK, "template": "no_such"}]}}, 422,
                            "tasks.1.template"),
    "too many tasks": ("/v1/tasks/batch", {"json": {"tasks": [TASK] * 1001}}, 422, "tasks"),
    "no tasks": ("/v1/tasks/batch", {"json": {"tasks": []}}, 422, "tasks"),
    "a PDF that is not one": ("/v1/documents", encoded(b"This is no PDF."), 422, "content"),
    "a PDF cut off": ("/v1/documents", encoded(b"%PDF-1.7\n1 0 obj\n<<"), 422, "content"),
    "an empty document": ("/v1/documents", document(content=""), 422, "content"),
    "a blank document": ("/v1/documents", document(content=" \n\t "), 422, "content"),
    "a document of bytes": ("/v1/documents", encoded(b"\x00\x01\x02\xff", "text/plain"), 422, "content"),
    "no base64": ("/v1/documents", document(content=None, content_base64="§§"), 422, "content_base64"),
    "no content": ("/v1/documents", document(content=None), 422, "content"),
    "a document too large": ("/v1/documents", document(content="word " * 700_000), 413, "content"),
    "an unknown kind": ("/v1/documents", document(media_type="image/png"), 422, "media_type"),
    "a template with a cycle": ("/v1/templates", CYCLE, 422, "template.stages"),
    "a need that is not there": ("/v1/templates", template({"name": "a", "needs": ["b"]}), 422,
                                 "template.stages.0.needs"),
    "a bad expression": ("/v1/templates", template({"name": "a", "when": "results.["}), 422,
                         "template.stages.0.when"),
    "a template without stages": ("/v1/templates", template(), 422, "template.stages"),
}  # fmt: skip
GETS = {
    "a cursor of no list": ("/v1/tasks?cursor=abc", "cursor"),
    "a cursor of another list": (f"/v1/documents?cursor={encode('tasks', TASK_ID)}", "cursor"),
    "a limit of none": ("/v1/tasks?limit=0", "limit"),
    "a limit too large": ("/v1/agents?limit=1000", "limit"),
    "an unknown status": ("/v1/tasks?status=asleep", "status"),
    "a label without value": ("/v1/tasks?label=colour", "label"),
    "an id that is none": ("/v1/tasks/17", "task_id"),
    "a wait for the end too long": (f"/v1/tasks/{TASK_ID}?wait_s=26", "wait_s"),
    "a wait too long": (f"/v1/tasks/{TASK_ID}/events?wait_s=600", "wait_s"),
    "a bad project": ("/v1/templates?project=No%20Such", "project"),
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(steersman: Steersman) -> Iterator[Callable[[], dict[str, int]]]:
    """Count everything that a request could leave behind."""
    endpoints = steersman.local.endpoints()
    session = boto3.Session("000000000000", "local", region_name="us-east-1")
    bucket = session.resource("s3", endpoint_url=endpoints.cloud_url).Bucket(endpoints.documents_bucket)
    with psycopg.connect(endpoints.database_url, autocommit=True) as connection:

        def count() -> dict[str, int]:
            rows = {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[index]  # noqa: S608
                for table in TABLES
            }
            return {**rows, "objects": sum(1 for _ in bucket.objects.all())}

        yield count


@pytest.mark.parametrize("case", POSTS)
def test_bad_bodies_are_refused(steersman: Steersman, kept: Callable[[], dict[str, int]], case: str) -> None:
    """A request with a fault gets a problem that names the field, and nothing of it is kept."""
    path, request, status, field = POSTS[case]
    before = kept()
    answer = steersman.http.post(path, **request)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"].startswith("urn:steersman:problem:")
    assert problem["trace_id"] == answer.headers["x-correlation-id"]
    fields = [error["field"] for error in problem["errors"]]
    assert any(found == field or found.startswith(f"{field}.") for found in fields), problem
    assert kept() == before


@pytest.mark.parametrize("case", GETS)
def test_bad_queries_are_refused(steersman: Steersman, case: str) -> None:
    """A query with a fault gets a problem that names the parameter."""
    path, field = GETS[case]
    answer = steersman.http.get(path)
    assert answer.status_code == 422, answer.text
    assert any(error["field"].startswith(field) for error in answer.json()["errors"]), answer.text


@pytest.mark.parametrize("path", ["/v1/tasks/{}", "/v1/tasks/{}/events", "/v1/documents/{}", "/v1/agents/{}"])
def test_what_is_not_there_is_not_found(steersman: Steersman, path: str) -> None:
    """An id that nothing has is answered with 404."""
    answer = steersman.http.get(path.format(TASK_ID))
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:steersman:problem:not_found"
