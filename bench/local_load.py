"""Load on the API of a local cloud, and what it costs."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from steersman.cli.client import Client

SAMPLE_S = 0.2


class Load:
    """Asks questions by one template; every question must complete."""

    def __init__(self, client: Client, template: str) -> None:
        self._client = client
        self._template = template
        self.task_ids: list[str] = []

    def ask(self, question: str) -> float:
        """Return the seconds from the request to the final answer in hand, followed by long polls."""
        began = time.perf_counter()
        task_id = self._client.submit({"template": self._template, "input": {"question": question}})["id"]
        for _ in self._client.events(task_id):
            pass
        task = self._client.task(task_id)
        seconds = time.perf_counter() - began
        if task["status"] != "completed":
            raise RuntimeError(f"the task {task_id} is {task['status']}: {task['error']}")
        self.task_ids.append(task_id)
        return seconds

    def ask_at_once(self, asked: Sequence[str]) -> int:
        """Ask all questions at the same time and return how many were completed."""
        with ThreadPoolExecutor(len(asked)) as pool:
            return len(list(pool.map(self.ask, asked)))


def reads(client: Client, task_ids: Sequence[str], count: int) -> list[float]:
    """Return the seconds of `count` reads of tasks, one after the other."""
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        client.task(task_ids[number % len(task_ids)])
        seconds.append(time.perf_counter() - began)
    return seconds


def share(values: Sequence[float], portion: float) -> float:
    """Return the value that `portion` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-portion * len(ordered) // 1) - 1))]


class MemoryPeak:
    """Samples memory in the background; `peak_mb` is the largest sample."""

    def __init__(self, memory_mb: Callable[[], float]) -> None:
        self._memory_mb = memory_mb
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory")
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, self._memory_mb())
            if self._done.wait(SAMPLE_S):
                return
