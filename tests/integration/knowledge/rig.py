"""What the tests of knowledge share: a database that counts its round trips, and documents."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from steersman.db.connection import Connection, Database
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.knowledge.documents import NewDocument, ingest
from steersman.knowledge.store import Document, DocumentStore
from steersman.llm.port import Embedder

TEXTS = {
    "tqdm": "# tqdm\ntqdm derives from the Arabic word taqaddum which can mean progress.\n\n"
    "Overhead is low, about 60ns per iteration, and it is unit tested against regressions.",
    "rich": "# Rich\nRich is a library for beautiful formatting in the terminal.\n\nIt renders tables and markdown.",
    "limits": "# limits\nThe fixed window strategy uses a single counter for each rate limit.\n\n"
    "Burst traffic may occur at window boundaries.",
    "attrs": "# attrs\nattrs brings back the joy of writing classes.\n\n"
    "NASA has trusted it for Mars missions since 2020.",
}


class CountingDatabase(Database):
    """A database that counts statements run and transactions opened."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.round_trips = 0

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.round_trips += 1
        return super().run(statement, parameters)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.round_trips += 1
        with super().transaction() as connection:
            yield connection


def new(text: str, source: str = "test:one", **kwargs: Any) -> NewDocument:
    """Return a Markdown document to take in."""
    values = {"project_id": DEFAULT_PROJECT_ID, "source_uri": source, "media_type": "text/markdown"}
    return NewDocument(content=text.encode(), **{**values, **kwargs})


def fill(
    database: Database, embedder: Embedder, project_id: UUID = DEFAULT_PROJECT_ID
) -> dict[str, Document]:
    """Take in TEXTS; return the documents by name."""
    store = DocumentStore(database)
    return {
        name: ingest(new(text, f"package:{name}", project_id=project_id), store=store, embedder=embedder)
        for name, text in TEXTS.items()
    }


def make_project(database: Database, slug: str) -> UUID:
    """Make another project and return its id."""
    project_id = new_id()
    database.run(
        "INSERT INTO projects (id, slug, name) VALUES (%(id)s, %(slug)s, %(slug)s)",
        {"id": project_id, "slug": slug},
    )
    return project_id
