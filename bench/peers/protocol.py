"""What every peer is given and asked: the research DAG, and a talk in JSON lines with the program that measures it.

A peer is a module, run in its own environment, that calls `serve` with how its workers are started. It reads commands
on stdin and answers on stdout. Only the standard library is used here: the peers' environments hold nothing of ours.
"""

import json
import mmap
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

Document = dict[str, Any]

DAG: dict[str, tuple[str, ...]] = {
    "intent": (),
    "embedding": ("intent",),
    "websearch": ("intent",),
    "executor": ("embedding", "websearch"),
    "moderator": ("executor",),
    "response": ("moderator",),
}
STAGES = tuple(DAG)
WORKERS = 2
SIZE_BYTES = 200
_STOP_LIMIT_S = 30.0
_WARM_UP = 40
LIMIT_S = 300
_counting = threading.Lock()


class Peer(Protocol):
    """A peer whose workers are there."""

    def many(self, inputs: Sequence[Document]) -> list[Document]:
        """Submit one task for each input, wait for all, and return their results in the same order."""
        ...

    def one(self, given: Document) -> Document:
        """Submit one task and return its result as soon as it is there."""
        ...


def task_input(number: int) -> Document:
    """Return the input of a task: 200 bytes of JSON."""
    return _document(number, "")


def run_stage(stage: str, *given: Document) -> Document:
    """Do a stage: count that it ran, and return 200 bytes of JSON that tell the way that led here."""
    _count(stage)
    ways = [one["way"] for one in given]
    way = ways[0] if len(ways) == 1 else f"({'+'.join(ways)})"
    return _document(given[0]["task"], f"{way}>{stage}" if way else stage)


def task_result(number: int) -> Document:
    """Return what the last stage of a task gives when every stage took effect once, after its needs."""
    middle = "(intent>embedding+intent>websearch)"
    return _document(number, f"{middle}>executor>moderator>response")


def serve(start: AbstractContextManager[Peer]) -> None:
    """Start the peer, then do what stdin says, one JSON object a line, until it ends.

    {"do": "many", "tasks": n} and {"do": "one", "tasks": n}; the answer has "seconds", each task's or of all, "wrong"
    (results that are not what the DAG gives) and "runs" (of each stage since the last answer).
    """
    with start as peer:
        first = _WARM_UP
        peer.many([task_input(number) for number in range(first)])
        ran = stage_runs()
        _say({"ready": True})
        for line in sys.stdin:
            asked = json.loads(line)
            numbers = range(first, first + asked["tasks"])
            first = numbers.stop
            answer = _many(peer, numbers) if asked["do"] == "many" else _one_by_one(peer, numbers)
            now = stage_runs()
            _say({**answer, "runs": {stage: now[stage] - ran[stage] for stage in STAGES}})
            ran = now


@contextmanager
def worker_processes(
    commands: Sequence[Sequence[str]], **options: Any
) -> Iterator[list[subprocess.Popen[str]]]:
    """Run workers until the block is left; what they print goes to stderr, which the driver keeps.

    A worker that ends before that ends this process too: nothing would be left to wait for.
    """
    leaving = threading.Event()
    with ExitStack() as stack:
        workers = []
        for command in commands:
            worker = subprocess.Popen(list(command), text=True, **{"stdout": sys.stderr, **options})
            stack.callback(_stop, worker)
            threading.Thread(target=_watch, args=(worker, leaving), daemon=True).start()
            workers.append(worker)
        stack.callback(leaving.set)
        yield workers


def stage_runs() -> dict[str, int]:
    """Return how often each stage ran in all worker processes so far."""
    found = [struct.unpack(f"{len(STAGES)}Q", file.read_bytes()) for file in _counts().iterdir()]
    return dict(zip(STAGES, (sum(column) for column in zip(*found, strict=True)), strict=True))


def _many(peer: Peer, numbers: range) -> Document:
    inputs = [task_input(number) for number in numbers]
    began = time.perf_counter()
    results = peer.many(inputs)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "wrong": _wrong(numbers, results)}


def _one_by_one(peer: Peer, numbers: range) -> Document:
    seconds, results = [], []
    for number in numbers:
        given = task_input(number)
        began = time.perf_counter()
        results.append(peer.one(given))
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds, "wrong": _wrong(numbers, results)}


def _wrong(numbers: range, results: Sequence[Document]) -> int:
    return sum(result != task_result(number) for number, result in zip(numbers, results, strict=True))


def _document(number: int, way: str) -> Document:
    empty = {"task": number, "way": way, "pad": ""}
    return {**empty, "pad": "." * (SIZE_BYTES - len(json.dumps(empty, separators=(",", ":"))))}


def _count(stage: str) -> None:
    with _counting:
        _counters(os.getpid())[STAGES.index(stage)] += 1


@cache
def _counters(pid: int) -> memoryview:
    # A file mapped into memory: a process that is killed has counted, and counting costs no system call.
    path = _counts() / str(pid)
    path.write_bytes(bytes(8 * len(STAGES)))
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")


def _counts() -> Path:
    return Path(os.environ["PEER_COUNTS"])


def _stop(worker: subprocess.Popen[str]) -> None:
    worker.terminate()
    try:
        worker.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _watch(worker: subprocess.Popen[str], leaving: threading.Event) -> None:
    code = worker.wait()
    if not leaving.is_set():
        print(f"a worker ended with exit code {code}", file=sys.stderr, flush=True)
        os._exit(1)


def _say(answer: Document) -> None:
    print(json.dumps(answer), flush=True)
