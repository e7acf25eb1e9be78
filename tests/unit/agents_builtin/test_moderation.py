"""The moderator scores what was answered and lets no guess pass."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.agents.builtin.extractive import Statement
from steersman.agents.builtin.judging import clarity, grounding, judge
from steersman.agents.builtin.moderation import ModerationAgent
from steersman.agents.job import StageResult
from steersman.errors import AgentRefused
from tests.unit.agents_builtin.jobs import TQDM, job, passage, retrieved

SOURCE = passage(1)


def statement(text: str, *sources: str) -> Statement:
    return Statement(text=text, sources=sources or (SOURCE.chunk_id,), score=0.9)


def moderated(*statements: Statement, **answer: Any) -> StageResult:
    executor = {
        "statements": [
            {"text": one.text, "sources": list(one.sources), "score": one.score} for one in statements
        ],
        "passages": [SOURCE.as_json()],
        "declined": False,
        **answer,
    }
    one = job(results={"embedding": retrieved(SOURCE), "executor": executor})
    (result,) = ModerationAgent().run([one])
    assert isinstance(result, StageResult), result
    return result


def test_a_quotation_is_fully_grounded() -> None:
    """A sentence quoted from its source has grounding 1, and the answer stands with a high score."""
    result = moderated(statement("tqdm derives from the Arabic word taqaddum which can mean progress."))
    assert result.output["grounding"] == 1
    assert result.output["declined"] is False
    assert result.quality == result.output["score"] > 0.8


def test_what_the_source_does_not_say_is_dropped() -> None:
    """A statement whose words its source does not hold is dropped; alone, it makes the answer be declined."""
    good = statement("tqdm derives from the Arabic word taqaddum.")
    bad = statement("Elephants migrate across northern Kenya every summer.")
    kept = moderated(good, bad).output
    assert [one["text"] for one in kept["statements"]] == [good.text]
    assert moderated(bad).output["reason"] == "not answered by the sources"


def test_an_invented_number_is_not_grounded() -> None:
    """A number that the source does not hold halves the grounding of a statement."""
    true, false = (
        statement("Overhead is about 60ns per iteration."),
        statement("Overhead is about 90ns per iteration."),
    )
    assert grounding(true, [SOURCE]) == 1
    assert grounding(false, [SOURCE]) < 0.5


def test_a_source_that_is_not_there_grounds_nothing() -> None:
    """A statement that cites a passage which was not given is dropped."""
    assert moderated(statement(TQDM, "unknown")).output["declined"] is True


def test_an_answer_beside_the_question_is_declined() -> None:
    """A grounded statement that covers little of the question is declined."""
    one = passage(1, "Bananas are yellow fruit.", title="fruit")
    executor = {"statements": [{"text": one.passage, "sources": [one.chunk_id]}], "passages": [one.as_json()]}
    (result,) = ModerationAgent().run([job(results={"embedding": retrieved(one), "executor": executor})])
    assert isinstance(result, StageResult)
    assert (result.output["grounding"], result.output["declined"]) == (1, True)


def test_the_executors_refusal_is_kept() -> None:
    """An answer that was declined before stays declined, for the reason given."""
    output = moderated(declined=True, decline_reason="They do not say.").output
    assert (output["declined"], output["reason"], output["score"]) == (True, "They do not say.", 0)


@pytest.mark.parametrize("results", [{}, {"executor": None}])
def test_nothing_to_moderate_is_refused(results: dict[str, Any]) -> None:
    """Without an answer there is nothing to moderate, and a retry would not help."""
    (result,) = ModerationAgent().run([job(results=results)])
    assert isinstance(result, AgentRefused)


@given(
    st.lists(st.text(max_size=200), max_size=5),
    st.text(max_size=400),
    st.dictionaries(st.text(), st.floats(0, 10)),
)
def test_scores_are_shares(texts: list[str], source: str, weights: dict[str, float]) -> None:
    """Whatever is judged, every score lies between 0 and 1."""
    verdict = judge([statement(text) for text in texts], [passage(1, source)], weights)
    for score in (verdict.grounding, verdict.coverage, verdict.clarity, verdict.score):
        assert 0 <= score <= 1


def test_signs_are_less_clear_than_words() -> None:
    """A sentence is clearer than a fragment, and a fragment clearer than signs."""
    assert (
        clarity("Overhead is low, about 60ns per iteration.")
        > clarity("low overhead")
        > clarity("{[|=|]} == x")
    )
