"""A peer's process: started in its own environment, asked and answered in JSON lines, ended with all it started."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from bench.peers.environments import ROOT

_ANSWER_LIMIT_S = 600.0
_END_LIMIT_S = 60.0
_LAST_LINES = 15
_INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")


class RunFailed(Exception):
    """A run that does not count; the message says why, and what to do next."""


class PeerProcess:
    """A peer that takes commands; `pid` is the root of its processes."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid = process.pid
        self._asked: IO[str] = process.stdin
        self._log = log
        self._lines: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()

    def ask(self, do: str, tasks: int) -> dict[str, Any]:
        """Send a command and return its answer; raise RunFailed where a task's result or a stage's runs are wrong."""
        try:
            self._asked.write(json.dumps({"do": do, "tasks": tasks}) + "\n")
            self._asked.flush()
        except BrokenPipeError:
            raise self._failure("it has ended") from None
        answer = self.hear()
        ran = set(answer["runs"].values())
        if answer["wrong"] or ran != {tasks}:
            raise self._failure(
                f"{answer['wrong']} of {tasks} results are not what the DAG gives; its stages ran {answer['runs']}"
            )
        return answer

    def hear(self) -> dict[str, Any]:
        """Return the next answer; raise RunFailed when none comes."""
        try:
            line = self._lines.get(timeout=_ANSWER_LIMIT_S)
        except Empty:
            raise self._failure(f"no answer in {_ANSWER_LIMIT_S:.0f} s") from None
        if not line:
            raise self._failure("it has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _listen(self, answers: IO[str]) -> None:
        for line in answers:
            self._lines.put(line)
        self._lines.put("")

    def _failure(self, why: str) -> RunFailed:
        last = "\n".join(self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
        return RunFailed(
            f"{why}. Run it again alone (--peers), on a quiet machine; its last lines were:\n{last}"
        )


@contextmanager
def peer_process(
    peer: str, python: Path, folder: Path, addresses: Mapping[str, str]
) -> Iterator[PeerProcess]:
    """Run a peer, with its log and counts in `folder`, until the block is left; it is ready when given."""
    counts, log = folder / "counts", folder / f"{peer}.log"
    counts.mkdir()
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with log.open("wb") as told:
        process = subprocess.Popen(
            [str(python), "-m", f"bench.peers.{peer}.peer"],
            cwd=ROOT,
            env={**inherited, **addresses, "PEER_COUNTS": str(counts), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            start_new_session=True,  # so that it is one group with its workers
        )
    try:
        ready = PeerProcess(process, log)
        ready.hear()
        yield ready
        _stop(process)
    finally:
        _kill_all(process)


def _stop(process: "subprocess.Popen[str]") -> None:
    """Let the peer stop its workers and end."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
        process.stdin.close()
        process.wait(_END_LIMIT_S)


def _kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill the peer and its workers, where they are still there: all that they held is temporary."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
