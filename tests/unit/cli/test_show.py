"""What the commands print."""

from typing import Any

import pytest
import typer

from steersman.cli import show, standing
from steersman.cli.follow import finish
from tests.unit.cli.screen import printed

PASSAGE = "The lighthouse was about 100 metres tall [see the plan] and its light was a fire. " * 5
SOURCE = {
    "number": 1,
    "title": "Wonders",
    "source_uri": "file:///wonders.md",
    "passage": PASSAGE,
    "credibility": 0.71234,
    "credibility_reason": "a document of this project",
}
OUTPUT: dict[str, Any] = {
    "answer": "It was 100 metres tall [1].",
    "statements": [{"text": "its light was a fire", "sources": [1]}],
    "declined": False,
    "sources": [SOURCE],
    "quality": {"score": 0.9, "grounding": 1.0, "coverage": 0.8, "clarity": 0.85},
    "models": ["extractive-1"],
    "notes": ["the model is down: the embedded one answered"],
}
TASK: dict[str, Any] = {
    "id": "t",
    "status": "completed",
    "created_at": "2027-01-15T12:00:00.000Z",
    "finished_at": "2027-01-15T12:00:01.250Z",
    "cost_usd": "0.000120",
    "tokens": 17,
    "output": OUTPUT,
    "error": None,
    "stages": [{"name": "executor", "agent": "answer"}, {"name": "websearch", "agent": None}],
}


def test_an_answer_has_all_that_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is printed with numbered sources, credibility, quality, agents, models, latency, cost and notes."""
    told = printed(monkeypatch, lambda: show.answer(TASK))
    for words in (
        "It was 100 metres tall [1].", "[1] Wonders", "file:///wonders.md", "[see the plan]",
        "credibility 0.71: a document of this project", "0.90  (grounding 1.00, coverage 0.80, clarity 0.85)",
        "answer (executor)", "extractive-1", "1.25 s", "0.000120 USD, 17 tokens", "the model is down",
    ):  # fmt: skip
        assert words in told
    assert "websearch" not in told


def test_a_declined_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was answered, the reason stands in its place, under another title."""
    declined = {**OUTPUT, "answer": None, "declined": True, "decline_reason": "no passage bears on it"}
    told = printed(monkeypatch, lambda: show.answer({**TASK, "output": declined}))
    assert "No answer" in told
    assert "No passage bears on it." in told


def test_another_output_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The output of a template that answers no question is printed as it is."""
    show.answer({**TASK, "output": {"verdict": "sound"}})
    assert capsys.readouterr().out == '{"verdict":"sound"}\n'


def test_a_failed_task_is_told_with_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that did not complete is told with the stage, the reason and the fields, and leaves with code 1."""
    error = {"stage": "find", "message": "refused", "faults": [{"field": "input.q", "reason": "is empty"}]}

    def fail() -> None:
        with pytest.raises(typer.Exit) as left:
            finish({**TASK, "status": "failed", "error": error}, json_output=False)
        assert left.value.exit_code == 1

    told = printed(monkeypatch, fail)
    assert "the task failed at stage 'find': refused" in told
    assert "input.q: is empty" in told
    assert "tasks show t" in told


def test_a_narrow_table_drops_optional_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a table is wider than the screen its optional columns go, the rest is folded, and nothing is cut off."""
    cells = [("a" * 30, "b" * 30, "c" * 30)]
    wide = printed(monkeypatch, lambda: show.rows(("x", "y", "z"), cells, empty="", optional=1), width=120)
    assert "c" * 30 in wide
    narrow = printed(monkeypatch, lambda: show.rows(("x", "y", "z"), cells, empty="", optional=1), width=70)
    assert "b" * 30 in narrow
    assert "z" not in narrow
    folded = printed(monkeypatch, lambda: show.rows(("x", "y", "z"), cells, empty=""), width=40)
    assert sum(folded.count(letter) for letter in "abc") == 90


def test_a_table_takes_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets in a cell are brackets, not colours."""
    assert "[red]x[/]" in printed(monkeypatch, lambda: show.rows(("n",), [("[red]x[/]",)], empty=""))


def test_an_empty_table_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows: one line of advice."""
    assert printed(monkeypatch, lambda: show.rows(("n",), [], empty="none; try this")) == "none; try this\n"


def test_times_are_shown_to_the_second() -> None:
    """A time is shown in UTC without its fraction, whatever zone it was given in."""
    assert show.moment("2027-01-15T13:00:00.123+01:00") == "2027-01-15 12:00:00"


def test_a_stage_that_waits_for_a_place_says_for_which() -> None:
    """What a limit keeps back is told as that, not as the failure of an attempt before."""
    stage = {"status": "ready", "error": {"message": "slow"}, "waiting_for": "agent:mine"}
    assert standing.of_stage(stage) == "waits for a place of agent:mine"
    assert standing.of_stage({**stage, "waiting_for": None}) == "slow"
