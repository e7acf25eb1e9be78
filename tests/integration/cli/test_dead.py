"""The commands about what failed and what ran before: dead, audit, tasks rerun and clone."""

import pytest

from tests.fixtures.functions import Functions
from tests.integration.cli.terminal import Terminal

NOBODY = {"name": "try", "queue": "agent", "capability": "no.agent", "retry": {"max_attempts": 1}}
FIRST = {"name": "first", "queue": "agent", "capability": "echo"}
TEMPLATE = {"name": "two_steps", "stages": [FIRST, {**NOBODY, "needs": ["first"]}]}


@pytest.fixture
def terminal(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(functions, monkeypatch, capfd)


@pytest.fixture
def failed(functions: Functions) -> str:
    """Return a task that failed at its stage `try`, with the input {"n": 1}."""
    functions.http("POST", "/v1/templates", {"template": TEMPLATE})
    task: str = functions.http("POST", "/v1/tasks", {"template": "two_steps", "input": {"n": 1}}).json["id"]
    functions.work()
    return task


def test_dead_letters_are_listed_and_shown(terminal: Terminal, failed: str) -> None:
    """`dead list` has a line for each, `dead show` what its stage had; --json prints the documents."""
    (letter,) = terminal.json("dead", "list")["dead_letters"]
    listed = terminal.run("dead", "list", "--stage", "try", "--error", "no_agent")
    assert letter["id"] in listed
    assert "two_steps v1" in listed
    assert "no dead letters" in terminal.run("dead", "list", "--stage", "first")
    shown = terminal.run("dead", "show", letter["id"])
    for words in (
        failed,
        "no.agent (queue agent)",
        "no_agent: ",
        "result of first",
        '{"n":1}',
        "stage.failed",
    ):
        assert words in shown, shown
    assert terminal.json("dead", "show", letter["id"])["results"] == {"first": {"n": 1}}


def test_one_letter_is_redriven_with_another_input(terminal: Terminal, failed: str) -> None:
    """`dead redrive ID --input` has the task go on; what cannot be done says why, and what was wrong."""
    (letter,) = terminal.json("dead", "list")["dead_letters"]
    wrong = terminal.run("dead", "redrive", letter["id"], "--input", "{", code=3)
    assert "--input: give it as JSON" in wrong
    assert "--stage" in terminal.run("dead", "redrive", letter["id"], "--stage", "try", code=3)
    told = terminal.run("dead", "redrive", letter["id"], "--input", '{"n": 2}')
    assert f"task {failed} goes on at 'try'" in told
    assert "redriven already" in terminal.run("dead", "redrive", letter["id"], code=3)


def test_many_are_redriven_after_a_look(terminal: Terminal, failed: str) -> None:
    """`dead redrive` shows how many of which versions and errors, and with --yes has them go on."""
    looked = terminal.run("dead", "redrive", "--preview", "--error", "no_agent")
    assert "1 dead letters of 1 tasks" in looked
    assert terminal.json("dead", "list")["dead_letters"][0]["status"] == "open"
    done = terminal.run("dead", "redrive", "--yes", "--rate", "100")
    assert "1 tasks go on; 0 dead letters are left" in done
    assert "no open dead letter passes the filters" in terminal.run("dead", "redrive", "--yes")


def test_a_letter_is_discarded_with_its_reason(terminal: Terminal, failed: str) -> None:
    """`dead discard` needs a reason, and `audit` tells of it."""
    (letter,) = terminal.json("dead", "list")["dead_letters"]
    assert "is discarded" in terminal.run("dead", "discard", letter["id"], "--reason", "asked twice")
    assert letter["id"] in terminal.run("audit", "--action", "dead_letter.discarded")
    (entry,) = terminal.json("audit", "--target", f"dead_letter/{letter['id']}")["entries"]
    assert entry["detail"]["reason"] == "asked twice"
    assert terminal.json("audit", "--by", "nobody")["entries"] == []


def test_a_task_is_run_again_and_cloned(terminal: Terminal, failed: str) -> None:
    """`tasks rerun --from` says what begins anew; `tasks clone` prints the id of the clone."""
    assert "there is no stage 'zzz'" in terminal.run("tasks", "rerun", failed, "--from", "zzz", code=3)
    assert "runs again: first, try" in terminal.run("tasks", "rerun", failed, "--from", "first")
    clone = terminal.json("tasks", "clone", failed, "--input", '{"n": 3}', "--label", "team:search")
    assert clone["template"] == "two_steps"
    assert "--label: 'x' is not of the form" in terminal.run("tasks", "clone", failed, "--label", "x", code=3)
    assert "--input: give the input as JSON" in terminal.run("tasks", "clone", failed, "--input", "{", code=3)
