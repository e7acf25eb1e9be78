"""Answers are statements with the passages they rest on, whoever writes them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from steersman.agents.builtin.answer import MODEL, AnswerAgent
from steersman.agents.builtin.prompting import prompt_for, read_answer
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentRefused, InvalidResult, SteersmanError, Unavailable
from steersman.llm.fakes import FakeChat, FakeEmbedder
from tests.unit.agents_builtin.jobs import RICH, job, passage, retrieved

FOUND = retrieved(passage(1), passage(2, RICH, title="rich", score=0.5))


def asked(**kwargs: Any) -> StageJob:
    return job(**{"results": {"embedding": FOUND}, **kwargs})


def answered(chat: FakeChat | None = None, one: StageJob | None = None) -> StageResult:
    (result,) = AnswerAgent(embedder=FakeEmbedder(), chat=chat).run([one or asked()])
    assert isinstance(result, StageResult), result
    return result


def reply(*statements: tuple[str, list[Any]], **kwargs: Any) -> str:
    body = {
        "statements": [{"text": text, "sources": sources} for text, sources in statements],
        "declined": False,
    }
    return json.dumps({**body, **kwargs})


def test_the_embedded_answer_quotes_its_source() -> None:
    """Without a model the answer is a sentence of the best passage, with that passage as its source."""
    output = answered().output
    best = output["statements"][0]
    assert best["text"] == "tqdm derives from the Arabic word taqaddum which can mean progress."
    assert best["sources"] == [passage(1).chunk_id]
    assert output["model"] == MODEL
    assert {one["chunk_id"] for one in output["passages"]} >= set(best["sources"])


def test_passages_that_agree_are_cited_together() -> None:
    """A statement that two sources make rests on both."""
    found = retrieved(passage(1), passage(2, TQDM_AGAIN, title="mirror"))
    output = answered(one=asked(results={"embedding": found})).output
    assert set(output["statements"][0]["sources"]) == {passage(1).chunk_id, passage(2).chunk_id}


TQDM_AGAIN = "Read this first. tqdm derives from the Arabic word taqaddum, which can mean progress!"


@pytest.mark.parametrize(
    "results",
    [
        {},
        {"embedding": None},
        {"embedding": retrieved()},
        {"embedding": retrieved(passage(1), support=0.1)},
        {"embedding": {"passages": [{"chunk_id": 1}, None, 7], "support": 0.9}},
        {"embedding": {"passages": 5, "support": "high", "terms": []}},
    ],
)
def test_thin_support_is_declined(results: dict[str, Any]) -> None:
    """Without passages, or with passages that hardly bear on the question, the answer declines and says why."""
    output = answered(one=asked(results=results)).output
    assert output["declined"] is True
    assert output["decline_reason"]
    assert output["statements"] == []


def test_a_model_writes_with_citations() -> None:
    """With a model its statements come with the chunks it cites; it, its tokens and its cost are told."""
    chat = FakeChat([reply(("Its name means progress.", [1]))], cost_usd=Decimal("0.0021"))
    result = answered(chat)
    assert result.output["statements"] == [
        {"text": "Its name means progress.", "sources": [passage(1).chunk_id], "score": 0.9}
    ]
    assert (result.model, result.cost_usd) == ("fake-chat", Decimal("0.0021"))
    assert result.tokens > 0
    assert result.output["notes"] == []


@pytest.mark.parametrize(
    ("reply_or_error", "said"),
    [
        (Unavailable("no answer within 5 s"), "did not answer (no answer within 5 s)"),
        (AgentRefused("the endpoint refused the request with status 401"), "did not answer"),
        ("I think it means progress.", "answered nonsense"),
        ("{}", "answered nonsense"),
        (reply(("Invented.", [9])), "answered nonsense"),
        (reply(("Uncited.", [])), "answered nonsense"),
        ("[1, 2]", "answered nonsense"),
        ('{"statements": {"a": 1}}', "answered nonsense"),
    ],
)
def test_a_model_that_fails_is_replaced_and_named(reply_or_error: str | SteersmanError, said: str) -> None:
    """A model that is down or answers nonsense is replaced by quotation, and the answer says so."""
    result = answered(FakeChat([reply_or_error], cost_usd=Decimal("0.5")))
    assert result.output["model"] == MODEL
    assert result.output["statements"]
    (note,) = result.output["notes"]
    assert "fake-chat" in note
    assert said in note
    assert result.cost_usd == (0 if isinstance(reply_or_error, SteersmanError) else Decimal("0.5"))


def test_a_model_may_decline() -> None:
    """A model that says the passages do not answer is believed, and its reason is kept."""
    output = answered(FakeChat([reply(declined=True, reason="They do not say.")])).output
    assert (output["declined"], output["decline_reason"]) == (True, "They do not say.")


def test_one_jobs_failure_stays_its_own() -> None:
    """In a batch each job has its own outcome, in the order of the jobs, with and without a model."""
    for chat in (None, FakeChat([reply(("Progress.", [1]))])):
        jobs = [asked(), asked(question=""), asked()]
        first, second, third = AnswerAgent(embedder=FakeEmbedder(), chat=chat).run(jobs)
        assert isinstance(first, StageResult)
        assert isinstance(second, AgentRefused)
        assert isinstance(third, StageResult)


def test_web_passages_are_used_too() -> None:
    """Passages of the web search stand beside those of retrieval, each once."""
    web = passage(3, title="web", kind="web", document_id=None, chunk_id="web:1", score=0.95)
    one = asked(
        results={"embedding": FOUND, "websearch": {"passages": [web.as_json(), passage(1).as_json()]}}
    )
    output = answered(FakeChat([reply(("It means progress.", [1, 2, 3, 4]))]), one).output
    assert output["statements"][0]["sources"] == ["web:1", passage(1).chunk_id, passage(2).chunk_id]


def test_the_prompt_numbers_the_passages() -> None:
    """The model sees each passage under its number, then the question."""
    prompt = prompt_for("Why?", [passage(1), passage(2, RICH, title="rich")])
    assert prompt.index("[1] tqdm\n") < prompt.index("[2] rich\n") < prompt.index("Question: Why?")


def test_fenced_json_and_unreadable_characters_are_read() -> None:
    """JSON in a code fence is read, and characters that cannot be stored are dropped from statements."""
    text = "```json\n" + reply(("Pro\u0000gress\u200b.", [1, True, "1", 1])) + "\n```"
    (statement,) = read_answer(text, [passage(1)]).statements
    assert (statement.text, statement.sources) == ("Progress.", (passage(1).chunk_id,))
    with pytest.raises(InvalidResult):
        read_answer("nothing", [passage(1)])
