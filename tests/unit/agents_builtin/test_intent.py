"""What is asked, told by how it is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.agents.builtin.asking import KINDS, sub_questions
from steersman.agents.builtin.intent import IntentAgent
from steersman.agents.job import StageResult
from steersman.errors import AgentRefused
from tests.unit.agents_builtin.jobs import job


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What does the name tqdm mean?", "definition"),
        ("What is orjson?", "definition"),
        ("How do I install rich?", "how_to"),
        ("How many stars has requests?", "quantity"),
        ("How fast is orjson compared to json?", "comparison"),
        ("When was Python released?", "time"),
        ("Who wrote Alembic?", "person"),
        ("Why is the sky blue?", "why"),
        ("Does orjson work on PyPy?", "yes_no"),
        ("Which databases are supported?", "choice"),
        ("Where did NASA use attrs?", "place"),
        ("tqdm overhead", "lookup"),
    ],
)
def test_the_kind_is_told_by_the_form(question: str, kind: str) -> None:
    """The kind of a question follows from its form."""
    (result,) = IntentAgent().run([job(question)])
    assert isinstance(result, StageResult)
    assert result.output["kind"] == kind


def test_several_questions_are_told_apart() -> None:
    """A question that asks several things has sub-questions, one that asks one thing has none."""
    asked = "What is tqdm and how do I install it? Who wrote it?"
    assert sub_questions(asked) == ["What is tqdm", "how do I install it?", "Who wrote it?"]
    assert sub_questions("Which library draws tables and progress bars?") == []


def test_what_changes_daily_needs_the_web() -> None:
    """Questions about today's world need the web, others do not."""
    found = IntentAgent().run([job("What is the latest news on Python?"), job("What is Python?")])
    assert [one.output["needs_web"] for one in found if isinstance(one, StageResult)] == [True, False]


def test_keywords_follow_the_language() -> None:
    """The keywords of a question leave out the small words of its own language."""
    (result,) = IntentAgent().run([job("Wie installiere ich das Paket und was kostet es?")])
    assert isinstance(result, StageResult)
    assert result.output["language"] == "de"
    assert result.output["keywords"] == ["installiere", "paket", "kostet"]


@given(st.text())
def test_any_text_is_classified_or_refused(question: str) -> None:
    """Any text gets an intent with a known kind and at least one keyword, or a refusal that cannot be retried."""
    (result,) = IntentAgent().run([job(question)])
    if isinstance(result, StageResult):
        assert result.output["kind"] in KINDS
    else:
        assert isinstance(result, AgentRefused)


@pytest.mark.parametrize("question", [None, 3, "", "  ", ["x"], "\u200b", "x" * 20_001])
def test_a_task_without_a_question_is_refused(question: object) -> None:
    """An input without a readable question is refused for good, and its neighbours in the batch are not."""
    first, second = IntentAgent().run([job(question), job("What is Python?")])
    assert isinstance(first, AgentRefused)
    assert isinstance(second, StageResult)
