"""The delivered answer: marks, numbered sources, who made it, and its evidence."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from steersman.agents.builtin.delivery import excerpt
from steersman.agents.builtin.response import ResponseAgent
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused, Unavailable
from steersman.json import dumps
from steersman.knowledge.evidence_store import Evidence
from tests.unit.agents_builtin.jobs import RICH, job, passage, provenance, retrieved

ONE, TWO = passage(1), passage(2, RICH, title="rich")
SAID = [
    {"text": "Rich can render progress bars.", "sources": [TWO.chunk_id], "score": 0.8},
    {"text": "tqdm means progress.", "sources": [ONE.chunk_id, TWO.chunk_id], "score": 0.7},
]
EXECUTED = {
    "statements": SAID,
    "passages": [ONE.as_json(), TWO.as_json()],
    "declined": False,
    "notes": ["a note"],
}
MODERATED = {
    "grounding": 1.0,
    "coverage": 0.9,
    "clarity": 0.8,
    "score": 0.92,
    "declined": False,
    "statements": SAID,
}
ALL = {"embedding": retrieved(ONE, TWO), "executor": EXECUTED, "moderator": MODERATED}


class Kept:
    """An evidence store that keeps what it is given in memory; it can be broken."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[list[Evidence]] = []
        self.error = error

    def keep(self, evidence: Sequence[Evidence]) -> None:
        self.calls.append(list(evidence))
        if self.error:
            raise self.error


def deliver(*jobs: StageJob, store: Kept | None = None) -> list[StageResult | AgentError]:
    clock = lambda: datetime(2026, 11, 21, tzinfo=UTC)  # noqa: E731
    return ResponseAgent(store=store or Kept(), now=clock).run(jobs)  # type: ignore[arg-type]


def delivered(results: dict[str, Any], store: Kept | None = None) -> dict[str, Any]:
    made = [provenance("executor", "extractive-1"), provenance("moderator")]
    (result,) = deliver(job(results=results, provenance=made), store=store)
    assert isinstance(result, StageResult), result
    return dict(result.output)


def test_sources_are_numbered_as_they_are_cited() -> None:
    """Sources are numbered in the order of their first mark, and each statement carries its marks."""
    output = delivered(ALL)
    assert output["answer"] == "Rich can render progress bars. [1]\ntqdm means progress. [1][2]"
    assert [one["sources"] for one in output["statements"]] == [[1], [1, 2]]
    assert [(one["number"], one["title"]) for one in output["sources"]] == [(1, "rich"), (2, "tqdm")]


def test_it_says_who_made_it_and_what_it_cost() -> None:
    """The answer names stages, agents, models, notes, quality and cost, and is plain JSON."""
    output = delivered(ALL)
    assert [one["stage"] for one in output["produced_by"]] == ["executor", "moderator"]
    assert output["models"] == ["extractive-1"]
    assert output["cost_usd"] == Decimal("0.000002")
    assert output["quality"] == {"grounding": 1.0, "coverage": 0.9, "clarity": 0.8, "score": 0.92}
    assert output["notes"] == ["a note"]
    dumps(output)


def test_sources_carry_credibility_and_its_reason() -> None:
    """Every source says how far it is believed and why."""
    for one in delivered(ALL)["sources"]:
        assert 0 < one["credibility"] < 1
        assert one["credibility_reason"].startswith("document of this project (0.70)")


def test_evidence_is_linked_to_its_statements() -> None:
    """Each source becomes one piece of evidence that names the statements it supports, and how strongly."""
    store = Kept()
    delivered(ALL, store)
    rich, tqdm = store.calls[0]
    assert [one.statement_number for one in rich.supports] == [1, 2]
    assert [one.statement_number for one in tqdm.supports] == [2]
    assert rich.supports[0].strength == 1
    assert (str(tqdm.chunk_id), tqdm.passage) == (ONE.chunk_id, ONE.passage)


def test_a_batch_stores_its_evidence_once() -> None:
    """The evidence of a whole batch goes to the store in one call."""
    store = Kept()
    assert len(deliver(*[job(results=ALL) for _ in range(7)], store=store)) == 7
    assert [len(call) for call in store.calls] == [14]


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ({**ALL, "moderator": {**MODERATED, "declined": True, "reason": "thin"}}, "thin"),
        ({"embedding": retrieved(ONE), "executor": {"declined": True, "decline_reason": "none"}}, "none"),
        ({"embedding": retrieved(ONE, support=0.2)}, "not answered by the sources"),
        ({}, "not answered by the sources"),
        (
            {"executor": {"statements": SAID, "passages": [], "declined": False}},
            "not answered by the sources",
        ),
    ],
)
def test_a_declined_answer_has_no_statement(results: dict[str, Any], reason: str) -> None:
    """A declined answer gives its reason and neither statements nor sources nor evidence."""
    store = Kept()
    output = delivered(results, store)
    assert (output["declined"], output["decline_reason"], output["answer"]) == (True, reason, "")
    assert output["statements"] == output["sources"] == []
    assert store.calls == [[]]


def test_without_an_executor_the_best_passages_answer() -> None:
    """A look-up delivers the best passages themselves, each as its own source."""
    output = delivered({"embedding": retrieved(ONE, TWO)})
    assert output["statements"][0] == {"text": ONE.passage, "sources": [1]}
    assert output["quality"] is None


def test_without_a_moderator_the_executors_statements_answer() -> None:
    """A quick answer delivers what the executor said, unscored."""
    output = delivered({"embedding": retrieved(ONE, TWO), "executor": EXECUTED, "moderator": None})
    assert len(output["statements"]) == 2
    assert output["quality"] is None


def test_an_unreachable_store_is_every_jobs_error() -> None:
    """When evidence cannot be stored, each job fails so that it is tried again: no answer without its evidence."""
    outcomes = deliver(job(results=ALL), job(results=ALL), store=Kept(Unavailable("down", retry_after_s=5)))
    assert [(type(one), one.retryable) for one in outcomes if isinstance(one, AgentError)] == [
        (AgentError, True)
    ] * 2


def test_a_job_that_breaks_the_store_does_not_take_the_others() -> None:
    """When storing a batch breaks for no known reason, its jobs are tried one by one."""

    class Picky(Kept):
        def keep(self, evidence: Sequence[Evidence]) -> None:
            super().keep(evidence)
            if any(one.title == "poison" for one in evidence):
                raise ValueError("cannot store this")

    poison = passage(1, title="poison")
    poisoned = {
        **ALL,
        "executor": {**EXECUTED, "passages": [poison.as_json(), TWO.as_json()]},
        "embedding": None,
    }
    outcomes = deliver(job(results=ALL), job(results=poisoned), job(""), store=Picky())
    assert [type(one) for one in outcomes] == [StageResult, AgentError, AgentRefused]


def test_web_sources_have_no_document() -> None:
    """A web page is evidence without a document or chunk of ours."""
    page = passage(5, kind="web", chunk_id="web:abc", document_id=None, source_uri="https://e.org")
    store = Kept()
    said = [{"text": "tqdm means progress.", "sources": ["web:abc"]}]
    delivered(
        {"websearch": {"passages": [page.as_json()]}, "executor": {"statements": said, "passages": []}}, store
    )
    (evidence,) = store.calls[0]
    assert (evidence.kind, evidence.document_id, evidence.chunk_id) == ("web", None, None)


def test_an_excerpt_ends_with_a_sentence() -> None:
    """A long passage is shown by its first sentences."""
    text = " ".join(f"Sentence {n} has exactly seven words here." for n in range(60))
    assert excerpt(text).endswith("here.")
    assert 40 < len(excerpt(text).split()) <= 80
