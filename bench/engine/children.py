"""The processes of a run: started, asked and stopped by the bench."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from bench.engine.servers import LANE, Servers, queue_names

ROOT = Path(__file__).parents[2]
STOP_LIMIT_S = 30.0
LAST_LINES = 15


class BenchFailed(Exception):
    """A run that cannot be measured; the message says what to do next."""


@dataclass(frozen=True)
class Child:
    """A process that answers each line with a line."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send a question and return the answer; raise BenchFailed when the process is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(orjson.dumps(question) + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.check(gone=True)
        return self.hear()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.check(gone=not line)
        answer: dict[str, Any] = orjson.loads(line)
        return answer

    def check(self, *, gone: bool = False) -> None:
        """Raise BenchFailed with the end of its log when the process has ended."""
        if gone or self.process.poll() is not None:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])
            raise BenchFailed(f"{self.name} has ended; mend what its log says and run again:\n{last}")

    def __enter__(self) -> Self:
        self.hear()  # that it is ready
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()


def start_worker(
    servers: Servers, name: str, *, messages: int, profile: Path | None = None, lanes: Sequence[str] = (LANE,)
) -> Child:
    """Start a worker that takes up to `messages` at once from the queues of `lanes`, profiled into a file if one is
    given.
    """
    given = {
        "name": name,
        "queues": queue_names(lanes),
        "messages": messages,
        "profile": str(profile) if profile else "",
    }
    return start_child(servers, name, "bench.engine.worker", given)


def start_submitter(
    servers: Servers, name: str = "submitter", settings: Mapping[str, str] | None = None
) -> Child:
    """Start a submitting process, whose functions have `settings` (environment variables) besides the servers'."""
    return start_child(servers, name, "bench.engine.submitter", {}, settings)


def start_child(
    servers: Servers,
    name: str,
    module: str,
    given: dict[str, Any],
    settings: Mapping[str, str] | None = None,
) -> Child:
    """Start a module that reads what it is `given`, and where the servers are, as JSON from its one argument."""
    given = {**given, "redis_url": servers.cache.url, "queue_url": servers.queues.url}
    log = servers.folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, orjson.dumps(given).decode()],
            cwd=ROOT,
            env={**servers.environment(), **(settings or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
        )
    return Child(name, process, log)
