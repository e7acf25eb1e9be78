"""Documents are taken in once, replaced at once, and gone when they are deleted."""

import threading
from uuid import UUID

import pytest

from steersman.db.connection import Database
from steersman.errors import InvalidInput, NotFound
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.knowledge import documents
from steersman.knowledge.documents import ingest
from steersman.knowledge.store import DocumentStore
from steersman.llm.fakes import FakeEmbedder
from tests.integration.knowledge.rig import CountingDatabase, make_project, new

LONG = "# Title\n\n" + "\n\n".join(
    f"Paragraph {n} says something of its own in ten words." for n in range(200)
)
EMBEDDER = FakeEmbedder()


@pytest.fixture
def store(app_database: Database) -> DocumentStore:
    """Return a store with the rights that functions have at run time."""
    return DocumentStore(app_database)


def chunks(database: Database, document_id: UUID) -> list[str]:
    rows = database.run(
        "SELECT passage FROM document_chunks WHERE document_id = %(id)s ORDER BY position",
        {"id": document_id},
    )
    return [row["passage"] for row in rows]


def test_a_document_is_stored_with_its_passages(store: DocumentStore, database: Database) -> None:
    """A document is stored with title, language, size and count of passages, each passage with its vector."""
    document = ingest(new(LONG, labels={"team": "a"}), store=store, embedder=EMBEDDER)
    assert (document.title, document.language, document.size_bytes) == ("Title", "en", len(LONG))
    assert document.labels == {"team": "a"}
    assert len(chunks(database, document.id)) == document.chunk_count > 5
    models = database.run("SELECT DISTINCT embedding_model, vector_dims(embedding) AS n FROM document_chunks")
    assert models == [{"embedding_model": "fake-embedding", "n": 256}]
    assert store.get(DEFAULT_PROJECT_ID, document.id) == document


def test_the_same_document_again_changes_nothing(store: DocumentStore, database: Database) -> None:
    """The same content from the same source returns what is there, passages untouched, without a write."""
    first = ingest(new(LONG), store=store, embedder=EMBEDDER)
    before = database.run("SELECT id FROM document_chunks ORDER BY position")
    assert ingest(new(LONG), store=store, embedder=EMBEDDER) == first
    assert database.run("SELECT id FROM document_chunks ORDER BY position") == before


def test_other_content_replaces_under_the_same_id(store: DocumentStore, database: Database) -> None:
    """Other content from the same source replaces all passages and keeps the document's id."""
    first = ingest(new(LONG), store=store, embedder=EMBEDDER)
    second = ingest(new("# Other\nOnly this."), store=store, embedder=EMBEDDER)
    assert (second.id, second.title, second.chunk_count) == (first.id, "Other", 1)
    assert second.updated_at > first.updated_at
    assert chunks(database, first.id) == ["Only this."]


def test_another_embedding_model_replaces_the_vectors(store: DocumentStore, database: Database) -> None:
    """The same content with another embedding model is embedded anew: vectors of two models cannot be compared."""

    class Other(FakeEmbedder):
        name = "other"

    ingest(new(LONG), store=store, embedder=EMBEDDER)
    ingest(new(LONG), store=store, embedder=Other())
    assert database.run("SELECT DISTINCT embedding_model AS m FROM document_chunks") == [{"m": "other"}]


def test_a_failed_replacement_leaves_the_old(store: DocumentStore, database: Database) -> None:
    """When new content cannot be read or stored, what was there stays as it was."""

    class Short(FakeEmbedder):
        def embed(self, texts: object) -> list[list[float]]:
            return [[0.0]]

    first = ingest(new("# One\nFirst."), store=store, embedder=EMBEDDER)
    with pytest.raises(InvalidInput):
        ingest(new(" "), store=store, embedder=EMBEDDER)
    with pytest.raises(InvalidInput, match="cannot be stored"):
        ingest(new("# Two\nSecond."), store=store, embedder=Short())
    assert store.get(DEFAULT_PROJECT_ID, first.id) == first
    assert chunks(database, first.id) == ["First."]


def test_two_at_once_leave_one_whole(database_url: str) -> None:
    """Two different contents for one source at the same time leave one of them, whole."""
    outcomes: list[int] = []
    barrier = threading.Barrier(2)

    def take_in(text: str) -> None:
        own = Database(database_url)
        barrier.wait()
        for _ in range(5):
            outcomes.append(ingest(new(text), store=DocumentStore(own), embedder=EMBEDDER).chunk_count)
        own.close()

    threads = [threading.Thread(target=take_in, args=(text,)) for text in (LONG, "# Short\nOne passage.")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = Database(database_url)
    (document,) = DocumentStore(own).page(DEFAULT_PROJECT_ID, before=None, limit=10)
    assert len(outcomes) == 10
    assert len(chunks(own, document.id)) == document.chunk_count
    own.close()


def test_round_trips_do_not_grow_with_the_document(database_url: str) -> None:
    """A long document costs as many round trips as a short one: one look, one transaction."""
    counting = CountingDatabase(database_url)
    counts = []
    for number, text in enumerate(("# One\nShort.", LONG)):
        before = counting.round_trips
        ingest(new(text, f"test:{number}"), store=DocumentStore(counting), embedder=EMBEDDER)
        counts.append(counting.round_trips - before)
    counting.close()
    assert counts == [2, 2]


def test_pages_go_from_new_to_old(store: DocumentStore) -> None:
    """The list goes from the newest to the oldest and is continued from the last id, without gap or repeat."""
    made = [ingest(new(f"# D{n}\nText.", f"test:{n}"), store=store, embedder=EMBEDDER).id for n in range(5)]
    first = documents.list_documents(DEFAULT_PROJECT_ID, store=store, limit=3)
    rest = documents.list_documents(DEFAULT_PROJECT_ID, store=store, before=first[-1].id, limit=3)
    assert [one.id for one in (*first, *rest)] == made[::-1]


def test_projects_do_not_see_each_other(store: DocumentStore, database: Database) -> None:
    """A document of another project is not found, not listed and not deleted, though its source is the same."""
    other = make_project(database, "other")
    mine = ingest(new("# Mine\nText."), store=store, embedder=EMBEDDER)
    theirs = ingest(new("# Theirs\nText.", project_id=other), store=store, embedder=EMBEDDER)
    assert [one.id for one in documents.list_documents(other, store=store)] == [theirs.id]
    with pytest.raises(NotFound):
        documents.get(other, mine.id, store=store)
    with pytest.raises(NotFound):
        documents.delete(other, mine.id, store=store)
    assert documents.get(DEFAULT_PROJECT_ID, mine.id, store=store) == mine


def test_deleting_takes_the_passages_along(store: DocumentStore, database: Database) -> None:
    """A deleted document is gone with its passages; deleting it again is NotFound."""
    document = ingest(new(LONG), store=store, embedder=EMBEDDER)
    documents.delete(DEFAULT_PROJECT_ID, document.id, store=store)
    assert database.run("SELECT id FROM document_chunks") == []
    for missing in (document.id, new_id()):
        with pytest.raises(NotFound):
            documents.delete(DEFAULT_PROJECT_ID, missing, store=store)


@pytest.mark.parametrize(
    ("kwargs", "field"),
    [
        ({"media_type": "image/png"}, "media_type"),
        ({"title": " "}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"source": ""}, "source_uri"),
        ({"source": "a\x00b"}, "source_uri"),
        ({"source": "x" * 2001}, "source_uri"),
        ({"text": ""}, "content"),
        ({"text": "not a pdf", "media_type": "application/pdf"}, "content"),
    ],
)
def test_bad_documents_leave_nothing_behind(
    store: DocumentStore, database: Database, kwargs: dict[str, str], field: str
) -> None:
    """A document that is refused names its field and leaves no row."""
    with pytest.raises(InvalidInput) as refusal:
        ingest(new(**{"text": "# Fine\nText.", **kwargs}), store=store, embedder=EMBEDDER)
    assert [fault.field for fault in refusal.value.faults] == [field]
    assert database.run("SELECT id FROM documents") == []
