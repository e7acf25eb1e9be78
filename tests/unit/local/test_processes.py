"""How servers are compared, described and read about."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from steersman.local.emulator import emulator_command
from steersman.local.errors import LocalCloudError
from steersman.local.packages import package_folder
from steersman.local.ports import describe
from steersman.local.processes import Command, last_lines

HERE = Path("/x")
COMMAND = Command(["server", "1"], HERE, HERE / "log", {"A": "1", "B": "2"}, significant=("A",))


def test_a_server_is_replaced_when_what_matters_changes() -> None:
    """Other arguments or another significant variable ask for a restart; other variables do not."""
    assert replace(COMMAND, arguments=["server", "2"]).fingerprint != COMMAND.fingerprint
    assert replace(COMMAND, environment={"A": "0", "B": "2"}).fingerprint != COMMAND.fingerprint
    assert replace(COMMAND, environment={"A": "1", "B": "0"}).fingerprint == COMMAND.fingerprint


def test_the_emulator_sees_no_credentials_of_the_user(tmp_path: Path) -> None:
    """Functions inherit the emulator's environment: real credentials and other settings stay out of it."""
    user = {
        "AWS_PROFILE": "p",
        "AWS_SECRET_ACCESS_KEY": "real",
        "STEERSMAN_CLOUD_PORT": "1",
        "HOME": "/h",
        "PATH": "/b",
    }
    command = emulator_command(tmp_path, 4000, user, {"STEERSMAN_LLM_MODEL": "m"})
    seen = command.environment
    assert "AWS_PROFILE" not in seen
    assert "STEERSMAN_CLOUD_PORT" not in seen
    assert seen["AWS_SECRET_ACCESS_KEY"] != "real"
    assert (seen["HOME"], seen["STEERSMAN_LLM_MODEL"], seen["BIND_HOST"]) == ("/h", "m", "127.0.0.1")
    assert seen["PATH"].endswith(os.pathsep + "/b")
    assert command.fingerprint != emulator_command(tmp_path, 4000, user, {}).fingerprint


def test_a_process_is_described_without_its_arguments() -> None:
    """Messages name a process by name, pid and folder; arguments may hold secrets."""
    assert describe(psutil.Process()) == f"{psutil.Process().name()} (pid {os.getpid()}, in {Path.cwd()})"
    assert describe(None) == "another process"


def test_the_last_lines_that_say_something_are_found(tmp_path: Path) -> None:
    """The end of a log is shown without its blank lines; a log that is not there is empty."""
    log = tmp_path / "log"
    log.write_bytes(b"one\n\ntwo\n\xff\n\n")
    assert last_lines(log, 2) == "two\n\N{REPLACEMENT CHARACTER}"
    assert last_lines(tmp_path / "none", 2) == ""


def test_a_missing_package_says_what_to_do() -> None:
    """A part whose package is not installed is explained by the package's name."""
    with pytest.raises(LocalCloudError, match="no_such_package") as caught:
        package_folder("no_such_package")
    assert caught.value.advice
