"""From errors to exit codes."""

from pathlib import Path

import pytest
import typer

from steersman.cli import failures
from steersman.cli.app import app
from steersman.cli.client import ApiProblem
from steersman.errors import Fault, InvalidInput, MissingSetting, Unavailable
from steersman.local.errors import LocalCloudError
from tests.unit.cli.screen import printed

CASES = [
    (ApiProblem("refused", status=422), 3, "refused"),
    (ApiProblem("broken", status=500, problem={"trace_id": "t-1"}), 4, "t-1"),
    (ApiProblem("out of reach", status=None), 4, "out of reach"),
    (InvalidInput("wrong", faults=(Fault("stages.0", "is odd"),)), 3, "stages.0: is odd"),
    (MissingSetting("set this"), 4, "set this"),
    (Unavailable("asleep"), 4, "asleep"),
    (LocalCloudError("no start", log=Path("/x.log"), advice="Try again."), 5, "/x.log"),
    (KeyboardInterrupt(), 130, "interrupted"),
]


@pytest.mark.parametrize(("error", "code", "words"), CASES, ids=[type(case[0]).__name__ for case in CASES])
def test_each_error_has_its_code(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    """An error is told in words and ends the command with the code of its kind."""

    def command() -> None:
        raise error

    def run() -> None:
        assert failures.run(command) == code

    assert words in printed(monkeypatch, run)


def test_done_is_zero() -> None:
    """A command that returns is exit code 0."""
    assert failures.run(lambda: None) == 0


def test_the_help_names_every_command_in_whole_sentences() -> None:
    """The one-line help of each command fits an 80-column terminal."""
    group = typer.main.get_command(app)
    told = group.get_help(typer.Context(group, info_name="steersman", terminal_width=78))
    commands = told.split("Commands:")[1]
    assert "..." not in commands, commands
