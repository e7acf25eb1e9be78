"""Evidence is kept once per task and number, with the statements it supports."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.knowledge.evidence_store import Evidence, EvidenceStore, Support
from steersman.llm.fakes import FakeEmbedder
from tests.integration.knowledge.rig import CountingDatabase, fill


def evidence(task_id: UUID, number: int = 1, document_id: UUID | None = None) -> Evidence:
    return Evidence(
        task_id=task_id,
        project_id=DEFAULT_PROJECT_ID,
        number=number,
        kind="document",
        document_id=document_id,
        chunk_id=new_id(),
        title="tqdm",
        source_uri="package:tqdm",
        passage="tqdm means progress.",
        credibility=Decimal("0.85"),
        credibility_reason="document of this project (0.70)",
        supports=[
            Support(statement_number=1, statement="It means progress.", strength=0.9),
            Support(statement_number=2, statement="It is low in overhead.", strength=0.5),
        ],
    )


@pytest.fixture
def store(app_database: Database) -> EvidenceStore:
    return EvidenceStore(app_database)


def test_evidence_is_read_as_it_was_kept(store: EvidenceStore, app_database: Database) -> None:
    """A task's evidence comes back in order, with the statements it supports."""
    document = fill(app_database, FakeEmbedder())["tqdm"]
    task = new_id()
    store.keep([evidence(task, 2), evidence(task, 1, document.id), evidence(new_id())])
    first, second = store.of_task(DEFAULT_PROJECT_ID, task)
    assert (first["number"], first["document_id"], first["credibility"]) == (1, document.id, Decimal("0.85"))
    assert [(one["statement_number"], one["relation"]) for one in first["chains"]] == [
        (1, "supports"),
        (2, "supports"),
    ]
    assert second["document_id"] is None


def test_keeping_twice_is_keeping_once(store: EvidenceStore, database: Database) -> None:
    """Delivering the same answer again adds neither evidence nor chains and changes neither."""
    one = evidence(new_id())
    store.keep([one])
    before = database.run("SELECT * FROM evidence"), database.run("SELECT * FROM evidence_chains ORDER BY id")
    store.keep([one])
    store.keep([replace(one, title="another time")])
    after = database.run("SELECT * FROM evidence"), database.run("SELECT * FROM evidence_chains ORDER BY id")
    assert after == before


def test_a_deleted_document_leaves_its_passage(store: EvidenceStore, database: Database) -> None:
    """Evidence of a document that is gone, before or after, keeps passage and source without the link."""
    document = fill(database, FakeEmbedder())["tqdm"]
    early, late = new_id(), new_id()
    store.keep([evidence(early, document_id=document.id)])
    database.run("DELETE FROM documents WHERE id = %(id)s", {"id": document.id})
    store.keep([evidence(late, document_id=document.id)])
    for task in (early, late):
        (kept,) = store.of_task(DEFAULT_PROJECT_ID, task)
        assert (kept["document_id"], kept["passage"]) == (None, "tqdm means progress.")


def test_a_document_of_another_project_is_not_linked(store: EvidenceStore, database: Database) -> None:
    """Evidence never links a document of another project."""
    document = fill(database, FakeEmbedder())["tqdm"]
    task, other = new_id(), new_id()
    database.run("INSERT INTO projects (id, slug, name) VALUES (%(id)s, 'o', 'o')", {"id": other})
    store.keep([replace(evidence(task, document_id=document.id), project_id=other)])
    assert store.of_task(DEFAULT_PROJECT_ID, task) == []
    assert store.of_task(other, task)[0]["document_id"] is None


def test_any_number_is_one_round_trip(database_url: str) -> None:
    """The evidence of a hundred tasks costs the round trip of one, and none costs none."""
    counting = CountingDatabase(database_url)
    store = EvidenceStore(counting)
    store.keep([])
    assert counting.round_trips == 0
    store.keep([evidence(new_id(), number) for number in range(1, 101)])
    assert counting.round_trips == 1
    assert counting.run("SELECT count(*) AS n FROM evidence_chains") == [{"n": 200}]
    counting.close()
