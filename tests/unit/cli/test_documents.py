"""Which files are taken in, and what becomes of them."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from steersman.cli.client import ApiProblem, Client
from steersman.cli.documents import Ingestion


class Library:
    """Stands for POST /v1/documents: refuses what is empty, and breaks at what says so."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        document = json.loads(request.content)
        content = base64.b64decode(document["content_base64"])
        if content == b"break":
            return httpx.Response(503, json={"detail": "asleep"})
        if not content:
            refusal = {"detail": "refused", "errors": [{"field": "content", "reason": "is empty"}]}
            return httpx.Response(422, json=refusal)
        self.taken.append(document)
        return httpx.Response(201, json={"chunk_count": 2})


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def ingestion(library: Library) -> Ingestion:
    return Ingestion(Client("http://test", transport=httpx.MockTransport(library)), "default")


def test_a_folder_gives_what_can_be_read(ingestion: Ingestion, library: Library, tmp_path: Path) -> None:
    """Below a folder every Markdown, text, HTML and PDF file is taken, nothing hidden and nothing else."""
    names = ["a.md", "b.txt", "deep/c.HTML", "deep/d.pdf", "e.png", ".git/f.md", ".g.md", "node_modules/h.md"]
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("text")
    done = ingestion.files([tmp_path], quiet=True)
    taken = {Path(one["source_uri"]).name: one["media_type"] for one in library.taken}
    assert taken == {
        "a.md": "text/markdown",
        "b.txt": "text/plain",
        "c.HTML": "text/html",
        "d.pdf": "application/pdf",
    }
    assert (done["documents"], done["chunks"], done["refused"]) == (4, 8, [])
    assert {one["project"] for one in library.taken} == {"default"}


def test_a_file_that_cannot_be_read_is_named(ingestion: Ingestion, library: Library, tmp_path: Path) -> None:
    """A file given by name is never passed over in silence: it is taken or refused with the reason."""
    for name, text in (("a.md", "text"), ("b.md", ""), ("c.png", "x")):
        (tmp_path / name).write_text(text)
    done = ingestion.files([tmp_path / name for name in ("a.md", "b.md", "c.png")], quiet=True)
    assert done["documents"] == 1
    assert [(Path(one["source_uri"]).name, one["reason"]) for one in done["refused"]] == [
        ("b.md", "content: is empty"),
        ("c.png", "not a kind that can be read"),
    ]


def test_an_api_that_breaks_ends_the_work(ingestion: Ingestion, tmp_path: Path) -> None:
    """When the API is not well, the command fails instead of refusing every file."""
    (tmp_path / "a.md").write_text("break")
    with pytest.raises(ApiProblem, match="asleep"):
        ingestion.files([tmp_path], quiet=True)
