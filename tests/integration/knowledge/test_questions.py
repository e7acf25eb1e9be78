"""Questions through the built-in agents, stage by stage, as the templates put them together."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from steersman.agents.builtin.registry import Parts, build
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, Unavailable
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.knowledge.evidence_store import EvidenceStore
from steersman.knowledge.passage_index import PassageIndex
from steersman.knowledge.web_search import LocalSearch
from steersman.llm.embedded import WordLlamaEmbedder
from steersman.llm.fakes import FakeChat
from tests.integration.knowledge.rig import CountingDatabase, fill

AGENTS = {
    "intent": "intent",
    "embedding": "retrieval",
    "websearch": "websearch",
    "executor": "answer",
    "moderator": "moderation",
    "respond": "response",
}
STANDARD = ("intent", "embedding", "executor", "moderator", "respond")
RESEARCH = ("intent", "embedding", "websearch", "executor", "moderator", "respond")
QUICK = ("embedding", "executor", "respond")
LOOKUP = ("embedding", "respond")
KNOWN, UNKNOWN = "What does the name tqdm mean?", "Who won the football world cup in 2018?"


@pytest.fixture
def database(app_database_url: str) -> Iterator[CountingDatabase]:
    database = CountingDatabase(app_database_url)
    fill(database, WordLlamaEmbedder())
    yield database
    database.close()


def parts(database: CountingDatabase, chat: FakeChat | None = None) -> Parts:
    embedder = WordLlamaEmbedder()
    search = LocalSearch(index=PassageIndex(database), embedder=embedder)
    return Parts(
        database=lambda: database, embedder=lambda: embedder, chat=lambda: chat, search=lambda: search
    )


def job(question: str) -> StageJob:
    return StageJob(
        task_id=new_id(),
        project_id=DEFAULT_PROJECT_ID,
        stage="stage",
        capability="capability",
        attempt=1,
        timeout_s=30,
        correlation_id="test",
        input={"question": question},
    )


def answered(stages: tuple[str, ...], made: Parts, *jobs: StageJob) -> list[dict[str, Any]]:
    """Run the stages on the jobs in turn, each seeing the results before it; return the last one's outputs."""
    current = list(jobs)
    for stage in stages:
        outcomes = build(AGENTS[stage], made).run(current)
        assert all(isinstance(one, StageResult) for one in outcomes), outcomes
        current = [
            one._replace(results={**one.results, stage: outcome.output})
            for one, outcome in zip(current, outcomes, strict=True)
            if isinstance(outcome, StageResult)
        ]
    return [dict(one.results[stages[-1]] or {}) for one in current]


@pytest.mark.parametrize("stages", [STANDARD, RESEARCH, QUICK, LOOKUP])
def test_a_question_is_answered_from_its_source(database: CountingDatabase, stages: tuple[str, ...]) -> None:
    """Every template answers a question that the documents answer, and cites the document."""
    (answer,) = answered(stages, parts(database), job(KNOWN))
    assert answer["declined"] is False
    assert "taqaddum" in answer["answer"]
    assert answer["sources"][0]["source_uri"] == "package:tqdm"


@pytest.mark.parametrize("stages", [STANDARD, RESEARCH, QUICK, LOOKUP])
def test_what_the_sources_do_not_say_is_declined(database: CountingDatabase, stages: tuple[str, ...]) -> None:
    """Every template declines a question that the documents do not answer."""
    (answer,) = answered(stages, parts(database), job(UNKNOWN))
    assert (answer["declined"], answer["answer"], answer["sources"]) == (True, "", [])
    assert answer["decline_reason"]


def test_an_answers_evidence_is_stored(database: CountingDatabase) -> None:
    """Each source of an answer is an evidence record of its task, linked to the statements it supports."""
    asked = job(KNOWN)
    (answer,) = answered(STANDARD, parts(database), asked)
    kept = EvidenceStore(database).of_task(DEFAULT_PROJECT_ID, asked.task_id)
    assert [one["number"] for one in kept] == [one["number"] for one in answer["sources"]]
    assert all(one["document_id"] and one["chains"] and one["credibility_reason"] for one in kept)


@pytest.mark.parametrize("size", [1, 30])
def test_a_batch_costs_a_fixed_number_of_round_trips(database: CountingDatabase, size: int) -> None:
    """A batch of any size costs one round trip for retrieval, one for the web search and one for the evidence."""
    jobs = [job(KNOWN if number % 2 else UNKNOWN) for number in range(size)]
    before = database.round_trips
    assert len(answered(RESEARCH, parts(database), *jobs)) == size
    assert database.round_trips - before <= 3


def test_several_questions_in_one_are_all_looked_up(database: CountingDatabase) -> None:
    """A question with two parts finds passages for both."""
    asked = job("What does the name tqdm mean and when did NASA begin to trust attrs?")
    (found,) = answered(("intent", "embedding"), parts(database), asked)
    assert {"package:tqdm", "package:attrs"} <= {one["source_uri"] for one in found["passages"]}


def test_a_model_that_is_down_is_named_in_the_answer(database: CountingDatabase) -> None:
    """When the configured model fails, the answer is quoted instead, and says so to the reader."""
    (answer,) = answered(
        STANDARD, parts(database, FakeChat([Unavailable("no answer within 5 s")])), job(KNOWN)
    )
    assert "taqaddum" in answer["answer"]
    assert "fake-chat did not answer" in answer["notes"][0]


def test_a_models_answer_goes_through_moderation(database: CountingDatabase) -> None:
    """What a model invents beside its citations is dropped before it is delivered."""
    written = {
        "declined": False,
        "statements": [
            {"text": "tqdm derives from the Arabic word taqaddum.", "sources": [1]},
            {"text": "Its author lives on a boat in Norway with 12 cats.", "sources": [1]},
        ],
    }
    (answer,) = answered(STANDARD, parts(database, FakeChat([json.dumps(written)])), job(KNOWN))
    assert [one["text"] for one in answer["statements"]] == ["tqdm derives from the Arabic word taqaddum."]


def test_an_unreachable_database_is_an_error_of_each_job(database: CountingDatabase) -> None:
    """When the database does not answer, each job gets an error that can be tried again, never an exception."""
    gone = CountingDatabase("postgresql://127.0.0.1:1/none?connect_timeout=1")
    for stage in ("embedding", "websearch"):
        outcomes = build(AGENTS[stage], parts(gone)).run([job(KNOWN), job(KNOWN)])
        assert [isinstance(one, AgentError) and one.retryable for one in outcomes] == [True, True]
