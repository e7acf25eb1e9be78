"""Hybrid search finds by words and by meaning, within a project, in one round trip."""

from collections.abc import Iterator

import pytest

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.knowledge.documents import ingest
from steersman.knowledge.passage_index import PassageIndex, Query
from steersman.knowledge.search import Question, search
from steersman.knowledge.store import DocumentStore
from steersman.knowledge.web_search import LocalSearch
from steersman.llm.embedded import WordLlamaEmbedder
from steersman.llm.fakes import FakeEmbedder
from tests.integration.knowledge.rig import TEXTS, CountingDatabase, fill, make_project, new


@pytest.fixture(scope="module")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture
def filled(app_database: Database, embedder: WordLlamaEmbedder) -> Database:
    fill(app_database, embedder)
    return app_database


@pytest.fixture
def counting(database_url: str) -> Iterator[CountingDatabase]:
    database = CountingDatabase(database_url)
    yield database
    database.close()


def ask(text: str, **kwargs: object) -> Question:
    return Question(**{"project_id": DEFAULT_PROJECT_ID, "text": text, **kwargs})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What does taqaddum mean?", "tqdm"),
        ("How do I make pretty terminal output?", "Rich"),
        ("What happens at the boundary of a window?", "limits"),
        ("Who sent it to another planet?", "attrs"),
    ],
)
def test_the_right_passage_comes_first(
    filled: Database, embedder: WordLlamaEmbedder, question: str, title: str
) -> None:
    """A question finds its passage, whether it shares the words or only the meaning."""
    (found,) = search([ask(question)], index=PassageIndex(filled), embedder=embedder)
    assert found.passages[0].title == title
    assert 0 < found.passages[0].score <= 1


@pytest.mark.parametrize("size", [1, 50])
def test_a_batch_is_one_round_trip(
    counting: CountingDatabase, embedder: WordLlamaEmbedder, size: int
) -> None:
    """Any number of questions costs one round trip, and each gets the answer it would get alone."""
    fill(counting, embedder)
    index = PassageIndex(counting)
    asked = [ask(f"What does taqaddum mean, number {n}?") for n in range(size - 1)] + [
        ask("NASA missions to Mars")
    ]
    before = counting.round_trips
    found = search(asked, index=index, embedder=embedder)
    assert counting.round_trips - before == 1
    assert len(found) == size
    assert found[-1] == search(asked[-1:], index=index, embedder=embedder)[0]
    assert found[-1].passages[0].title == "attrs"


def test_no_question_is_no_round_trip(counting: CountingDatabase) -> None:
    """An empty batch does not touch the database."""
    assert search([], index=PassageIndex(counting), embedder=FakeEmbedder()) == []
    assert counting.round_trips == 0


def test_projects_do_not_find_each_others_passages(filled: Database, database: Database) -> None:
    """A search stays within its project, also when one batch asks in two."""
    other = make_project(database, "other")
    ingest(
        new("# Secret\nThe taqaddum of others.", project_id=other),
        store=DocumentStore(database),
        embedder=FakeEmbedder(),
    )
    asked = [ask("taqaddum"), ask("taqaddum", project_id=other)]
    mine, theirs = search(asked, index=PassageIndex(filled), embedder=FakeEmbedder())
    assert {one.title for one in mine.passages} <= {"tqdm", "Rich", "limits", "attrs"}
    assert {one.title for one in theirs.passages} == {"Secret"}


def test_support_tells_whether_there_is_an_answer(filled: Database, embedder: WordLlamaEmbedder) -> None:
    """Support is high where the documents answer and low where they do not."""
    asked = [ask("Since when has NASA trusted attrs?"), ask("How do I boil a Kenyan egg?")]
    answered, unanswered = search(asked, index=PassageIndex(filled), embedder=embedder)
    assert answered.support > 0.6 > 0.35 > unanswered.support


def test_terms_are_weighed_by_rarity(filled: Database) -> None:
    """A term in many passages weighs less than a rare one, which weighs less than one in none."""
    (found,) = PassageIndex(filled).search(
        [
            Query(
                project_id=DEFAULT_PROJECT_ID,
                terms=["it", "strategy", "zebra", "uses", "the"],
                vector=[1.0] * 256,
            )
        ],
        embedding_model="none",
    )
    assert found.weights["zebra"] > found.weights["strategy"] > 0
    assert "the" not in found.weights


def test_vectors_of_another_model_are_not_compared(filled: Database) -> None:
    """With another embedding model passages are still found by their words, with no likeness claimed."""
    (found,) = search([ask("taqaddum")], index=PassageIndex(filled), embedder=FakeEmbedder())
    assert [one.title for one in found.passages] == ["tqdm"]


def test_any_question_can_be_asked(filled: Database) -> None:
    """Operators of the query language, quotes, emoji and noise are words like any other, or none."""
    odd = [
        "a & | ! <-> b:*",
        "'; DROP TABLE documents; --",
        "\\",
        "%s %(x)s",
        "🦙",
        "?",
        "()",
        "the",
        "x" * 5_000,
    ]
    for found in search([ask(text) for text in odd], index=PassageIndex(filled), embedder=FakeEmbedder()):
        assert 0 <= found.support <= 1
    assert len(filled.run("SELECT id FROM documents")) == len(TEXTS)


def test_local_web_search_brings_other_documents(filled: Database, embedder: WordLlamaEmbedder) -> None:
    """The search port's default gives one passage of each of several documents."""
    local = LocalSearch(index=PassageIndex(filled), embedder=embedder)
    (found,) = local.find([ask("library for terminal progress")])
    assert isinstance(found, list)
    sources = [one.source_uri for one in found]
    assert len(sources) == len(set(sources)) > 1


def test_a_small_project_is_searched_in_a_large_index(database: Database) -> None:
    """The vector index finds a project's few passages among the many of another, by going on until it has enough."""
    other = make_project(database, "large")
    store, embedder = DocumentStore(database), FakeEmbedder()
    text = "\n\n".join(f"# Part {n}\n" + f"common words about topic {n} " * 20 for n in range(400))
    ingest(new(text, "test:large", project_id=other), store=store, embedder=embedder)
    ingest(new("# Small\ncommon words about one topic", "test:small"), store=store, embedder=embedder)
    with database.transaction() as connection:
        # Small tables are scanned whole: make the planner take the index, as it does for large ones.
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_sort = off")
        (found,) = PassageIndex(_Within(database)).search(
            [
                Query(
                    project_id=DEFAULT_PROJECT_ID,
                    terms=[],
                    vector=embedder.embed(["common words about topic"])[0],
                )
            ],
            embedding_model=embedder.name,
        )
    assert [one.title for one in found.candidates] == ["Small"]


class _Within(Database):
    """Runs inside the transaction that is open on another Database."""

    def __init__(self, outer: Database) -> None:
        super().__init__("")
        self._connection = outer._connection
