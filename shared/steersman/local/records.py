"""What `up` started, on disk: a file of identities, and a lock so that two commands do not race."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from steersman.local.errors import LocalCloudError
from steersman.local.processes import Identity

_LOCK_PAUSE_S = 0.1


@dataclass(frozen=True)
class Record:
    """A part that `up` started: `fingerprint` is of the command that started it."""

    identity: Identity
    port: int
    fingerprint: str


def read_records(path: Path) -> dict[str, Record]:
    """Return the recorded parts by name. A file that is unreadable holds none: `up` finds them again."""
    try:
        stored = json.loads(path.read_text())
        return {
            name: Record(Identity(int(r["pid"]), float(r["created"])), int(r["port"]), str(r["fingerprint"]))
            for name, r in stored["parts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_records(path: Path, records: dict[str, Record]) -> None:
    """Replace the recorded parts; a reader sees the old file or the new one, never half of it."""
    parts = {
        name: {**asdict(record.identity), "port": record.port, "fingerprint": record.fingerprint}
        for name, record in sorted(records.items())
    }
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"parts": parts}, indent=2))
    new.replace(path)


@contextlib.contextmanager
def exclusive(path: Path, *, patience_s: float, waiting: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold the lock at `path`, waiting for another command to end; `waiting` is told once if that is needed.

    Yield the lock's descriptor: the lock falls when the last process that holds it open ends. Raise
    LocalCloudError, naming the holder, after `patience_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _locked(file.fileno()):
            if waiting:
                waiting()
            _wait_for_lock(file, patience_s)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _wait_for_lock(file: IO[str], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not _locked(file.fileno()):
        if time.monotonic() > deadline:
            file.seek(0)
            raise LocalCloudError(
                f"another command works on the local cloud (pid {file.read().strip() or 'unknown'})",
                advice="Wait for it to end, or end it, then try again.",
            )
        time.sleep(_LOCK_PAUSE_S)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
