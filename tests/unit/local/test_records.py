"""The file of what was started, and the lock."""

import json
import os
from pathlib import Path

import pytest

from steersman.local.errors import LocalCloudError
from steersman.local.processes import Identity, find, identify
from steersman.local.records import Record, exclusive, read_records, write_records

RECORD = Record(Identity(123, 456.78), 5432, "f" * 64)


def test_records_come_back_as_written(tmp_path: Path) -> None:
    """What was remembered of a part is read back equal, and no temporary file stays."""
    path = tmp_path / "processes.json"
    write_records(path, {"database": RECORD})
    assert read_records(path) == {"database": RECORD}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"parts": {"database": {"pid": "x"}}}', '{"parts": {"database": 1}}']
)
def test_a_corrupt_file_holds_no_records(tmp_path: Path, text: str) -> None:
    """A damaged file never stops a command and never makes up a process."""
    path = tmp_path / "processes.json"
    path.write_text(text)
    assert read_records(path) == {}


def test_a_missing_file_holds_no_records(tmp_path: Path) -> None:
    """Before the first `up` nothing is recorded."""
    assert read_records(tmp_path / "processes.json") == {}


def test_a_second_command_is_told_who_works_and_gives_up(tmp_path: Path) -> None:
    """While one command holds the lock another waits, and then learns the pid of the first."""
    told: list[str] = []
    with exclusive(tmp_path / "lock", patience_s=1):
        holder = (tmp_path / "lock").read_text()
        with (
            pytest.raises(LocalCloudError, match=holder),
            exclusive(tmp_path / "lock", patience_s=0, waiting=lambda: told.append("waits")),
        ):
            pytest.fail("two commands at once")
    assert holder == str(os.getpid())
    assert told == ["waits"]


def test_the_lock_can_be_taken_again(tmp_path: Path) -> None:
    """The lock is free after its holder has ended, whatever is written in the file."""
    with exclusive(tmp_path / "lock", patience_s=0):
        pass
    with exclusive(tmp_path / "lock", patience_s=0) as held:
        assert held > 0


def test_a_reused_pid_is_another_process() -> None:
    """A living process with the recorded pid but another creation time is not taken for ours."""
    import psutil

    ours = identify(psutil.Process())
    assert find(ours) is not None
    assert find(Identity(ours.pid, ours.created - 60)) is None


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    """The state file can be read by a person: one object per part."""
    path = tmp_path / "processes.json"
    write_records(path, {"cache": RECORD})
    stored = json.loads(path.read_text())
    assert stored == {
        "parts": {"cache": {"pid": 123, "created": 456.78, "port": 5432, "fingerprint": "f" * 64}}
    }
