"""A task's progress, drawn from its events."""

import io
from typing import Any

import pytest
from rich.console import Console

from steersman.cli.progress import BAR, TaskProgress

NEEDS = {
    "intent": [],
    "embedding": ["intent"],
    "websearch": ["intent"],
    "executor": ["embedding", "websearch"],
}
TASK = {
    "id": "t",
    "template": "research",
    "created_at": "2027-01-15T12:00:00.000Z",
    "stages": [{"name": name, "needs": needs} for name, needs in NEEDS.items()],
}


def event(stage: str, happened: str, second: float, **data: Any) -> dict[str, Any]:
    return {
        "type": f"steersman.{happened}.v1",
        "time": f"2027-01-15T12:00:{second:06.3f}Z",
        "subject": stage,
        "data": data,
    }


def drawn(progress: TaskProgress, *, since_s: float = 0.0, width: int = 120) -> list[str]:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(progress.draw(since_s, width=width))
    file = screen.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


@pytest.fixture
def progress() -> TaskProgress:
    return TaskProgress.of(TASK)


def line_of(lines: list[str], stage: str) -> str:
    return next(line for line in lines if line.split()[1] == stage)


def test_every_stage_is_drawn_before_anything_happens(progress: TaskProgress) -> None:
    """A task that has just been accepted shows its stages in template order with what they wait for."""
    lines = drawn(progress)[1:]
    assert [line.split()[1] for line in lines] == list(NEEDS)
    assert "embedding, websearch" in lines[3]
    assert all(line.split()[0] == "·" for line in lines)


def test_a_stage_shows_its_agent_attempt_and_time(progress: TaskProgress) -> None:
    """A completed stage shows who did it, in which attempt, how long it took, and a bar where it lay in time."""
    progress.take(event("", "task.submitted", 0))
    progress.take(event("intent", "stage.started", 1, attempt=1))
    progress.take(
        event("intent", "stage.retrying", 2, attempt=1, error={"code": "agent_error", "message": "no"})
    )
    progress.take(event("intent", "stage.started", 3, attempt=2))
    progress.take(event("intent", "stage.completed", 4, attempt=2, agent="classifier"))
    line = line_of(drawn(progress), "intent")
    assert line.split()[:5] == ["●", "intent", "classifier", "2", "1.00"]
    bar = line[line.index("s", line.index("1.00")) + 2 :]
    assert bar.count("━") == BAR // 4
    assert bar.index("━") >= BAR * 3 // 4


def test_a_running_stage_grows_with_the_clock(progress: TaskProgress) -> None:
    """Between events the time of a running stage goes on; after the task's end it stands still."""
    progress.take(event("intent", "stage.started", 1, attempt=1))
    assert "5.00 s" in line_of(drawn(progress, since_s=5), "intent")
    progress.take(event("intent", "stage.cancelled", 2))
    progress.take(event("", "task.cancelled", 2))
    assert "0 … 2.00 s" in drawn(progress, since_s=5)[0]


@pytest.mark.parametrize(
    ("happened", "sign"),
    [
        ("ready", "○"),
        ("started", "◐"),
        ("retrying", "↻"),
        ("failed", "✗"),
        ("skipped", "∅"),
        ("cancelled", "⊘"),
    ],
)
def test_every_status_has_its_sign(progress: TaskProgress, happened: str, sign: str) -> None:
    """Each status of a stage is told by a sign, not by colour alone."""
    progress.take(event("intent", f"stage.{happened}", 1))
    assert line_of(drawn(progress), "intent").split()[0] == sign


def test_a_late_result_changes_nothing(progress: TaskProgress) -> None:
    """The result of an attempt that lost its lease leaves the drawing as it was."""
    progress.take(event("intent", "stage.completed", 1))
    before = drawn(progress)
    progress.take(event("intent", "stage.late", 1))
    assert drawn(progress) == before


def test_a_narrow_screen_cuts_no_word(progress: TaskProgress) -> None:
    """On 80 columns what stages wait for is left out, and every name, agent and time is whole."""
    for stage in NEEDS:
        progress.take(event(stage, "stage.started", 1, attempt=1))
        progress.take(event(stage, "stage.completed", 2, agent="web search"))
    lines = drawn(progress, width=80)
    assert max(map(len, lines)) <= 80
    assert not any("after" in line or "embedding, websearch" in line for line in lines)
    assert all("web search" in line and "1.00 s" in line for line in lines[1:])
    assert "…" not in "".join(lines[1:])


def test_events_are_lines_where_nothing_can_be_redrawn(progress: TaskProgress) -> None:
    """Each event becomes a line with the time since the beginning, the agent, the duration and the reason."""
    completed = event("intent", "stage.completed", 1.5, agent="classifier", duration_ms=70)
    assert progress.take(completed) == "  1.50 s  intent completed (classifier, 70 ms)"
    failed = event("", "task.failed", 2, error={"code": "no_agent", "message": "nobody can"})
    assert progress.take(failed) == "  2.00 s  task failed (no_agent: nobody can)"


@pytest.mark.parametrize(
    ("happened", "data", "words"),
    [
        (
            "stage.awaiting",
            {
                "kind": "approval",
                "ask": "Send it?",
                "by": ["clerk"],
                "escalated": False,
                "until": "2027-01-15T13:00:00Z",
            },
            "intent asks clerk: Send it? (waits until 2027-01-15T13:00:00Z)",
        ),
        (
            "stage.awaiting",
            {"kind": "approval", "ask": "Send it?", "by": [], "escalated": True},
            "intent now asks anybody: Send it? (waits)",
        ),
        (
            "stage.awaiting",
            {"kind": "wait", "until": "2027-01-16T00:00:00Z"},
            "intent waits until 2027-01-16T00:00:00Z",
        ),
        ("stage.awaiting", {"kind": "budget", "reason": "1 USD is spent"}, "intent waits: 1 USD is spent"),
        (
            "stage.answered",
            {"approved": True, "by": "clerk", "comment": "fine"},
            "intent was answered yes by clerk: fine",
        ),
        ("stage.answered", {"approved": False, "by": "clerk"}, "intent was answered no by clerk"),
        ("stage.spread", {"tasks": 10_000}, "intent started 10,000 tasks"),
        ("stage.spread", {"tasks": 1}, "intent started 1 task"),
        ("task.paused", {"by": "me", "reason": "until noon"}, "task paused by me: until noon"),
        ("task.resumed", {"by": "me"}, "task resumed by me"),
        (
            "task.undoing",
            {"error": {"code": "agent_refused", "message": "no car left"}},
            "task fails, and what it did is undone (agent_refused: no car left)",
        ),
    ],
)
def test_what_happens_is_told_in_plain_words(
    progress: TaskProgress, happened: str, data: dict[str, Any], words: str
) -> None:
    """Questions, answers, waits, started tasks, pauses and undoing are sentences, not names of events."""
    subject = "" if happened.startswith("task.") else "intent"
    assert progress.take(event(subject, happened, 1, **data)) == f"  1.00 s  {words}"


def test_a_waiting_stage_is_drawn_as_one(progress: TaskProgress) -> None:
    """A stage that asks, and one that started tasks, show that in the agent's place."""
    progress.take(event("intent", "stage.started", 1, attempt=1))
    progress.take(event("intent", "stage.awaiting", 2, kind="approval", ask="?", by=[]))
    progress.take(event("embedding", "stage.started", 1, attempt=1))
    progress.take(event("embedding", "stage.spread", 2, tasks=20))
    lines = drawn(progress)
    assert line_of(lines, "intent").split()[:3] == ["◇", "intent", "asks"]
    assert line_of(lines, "embedding").split()[:5] == ["◐", "embedding", "intent", "20", "tasks"]
    progress.take(event("intent", "stage.answered", 3, approved=True))
    assert line_of(drawn(progress), "intent").split()[0] == "○"


def test_a_stage_that_undoes_is_drawn_when_its_turn_comes(progress: TaskProgress) -> None:
    """Stages that undo are not there at first; each appears below the others as it becomes ready."""
    progress.take(event("", "task.undoing", 1, error={"code": "c", "message": "m"}))
    progress.take(event("refund", "stage.ready", 1))
    assert line_of(drawn(progress), "refund").split()[0] == "○"
    assert "0 … 6.00 s" in drawn(progress, since_s=5)[0], "the task goes on until all is undone"
