"""Submits tasks over HTTP, waits for them, and reads back over HTTP that each ended as it should."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from bench.cloud.workload import BATCH, LABEL, STAGES, TEMPLATE_NAME, submission, task_input
from steersman.cli.client import Client

PAGE = 200  # what GET /v1/tasks gives at most
READERS = 4
LIMIT_S = 900.0
ENDED = frozenset({"completed", "failed", "cancelled"})

Say = Callable[[str], None]
Numbered = tuple[int, str]


class Read(StrEnum):
    """How the end of each task is seen: its whole result by a request of its own, or its status in pages."""

    EACH = "each"
    PAGES = "pages"


class Stuck(Exception):
    """Tasks did not end as they should; the text says which."""


@dataclass(frozen=True)
class Submitted:
    """One accepted batch: its label, and its tasks' numbers and ids in their order."""

    label: str
    tasks: tuple[Numbered, ...]


@dataclass(frozen=True)
class Passed:
    """What one load took: until the last batch was accepted, and until every task was seen completed."""

    tasks: int
    submitted_s: float
    seconds: float
    batches: tuple[Submitted, ...]

    @property
    def tasks_per_s(self) -> float:
        return self.tasks / self.seconds


class Driver:
    """A user of the API: one connection to submit and follow, a few to read results."""

    def __init__(self, client: Client, say: Say) -> None:
        self._client = client
        self._say = say
        self._readers = [Client(client.url) for _ in range(READERS)]

    def pass_through(self, tasks: int, *, priority: str, read: Read) -> Passed:
        """Submit tasks by batches, and read until each is seen completed. Raises Stuck."""
        began = time.perf_counter()
        batches = [
            self._submit(range(first, min(first + BATCH, tasks)), priority)
            for first in range(0, tasks, BATCH)
        ]
        submitted_s = time.perf_counter() - began
        done = 0
        for batch in batches:
            self._await(batch, read)
            done += len(batch.tasks)
            self._say(f"{done:,} of {tasks:,} tasks seen completed after {time.perf_counter() - began:.1f} s")
        return Passed(tasks, submitted_s, time.perf_counter() - began, tuple(batches))

    def one(self, number: int) -> float:
        """Return the seconds from the request of one task to its result in hand, followed by long polls."""
        began = time.perf_counter()
        given = submission(number, priority="medium", label="one")
        task_id = self._client.submit(given)["id"]
        self._follow(task_id)
        task = self._client.task(task_id)
        seconds = time.perf_counter() - began
        _check(task, number)
        return seconds

    def check_results(self, batches: Sequence[Submitted], sample: int) -> int:
        """Read about `sample` tasks whole, spread over all; return how many. Raises Stuck for a wrong one."""
        tasks = [one for batch in batches for one in batch.tasks]
        chosen = tasks[:: max(1, len(tasks) // sample)]
        for number, task_id in chosen:
            _check(self._client.task(task_id), number)
        return len(chosen)

    def _submit(self, numbers: range, priority: str) -> Submitted:
        label = uuid4().hex
        given: list[Any] = [submission(number, priority=priority, label=label) for number in numbers]
        accepted = self._client.submit_batch(given)["tasks"]
        return Submitted(label, tuple(zip(numbers, (task["id"] for task in accepted), strict=True)))

    def _follow(self, task_id: str) -> None:
        for _ in self._client.events(task_id):
            pass

    def _await(self, batch: Submitted, read: Read) -> None:
        """Follow an open task of the batch to its end, then read what is open; again while any is."""
        until = time.monotonic() + LIMIT_S
        left = batch.tasks
        while left:
            self._follow(left[-1][1])
            states = self._each(left) if read is Read.EACH else self._pages(batch)
            if failed := [task_id for _, task_id in left if states.get(task_id) in ENDED - {"completed"}]:
                raise Stuck(f"{len(failed)} tasks did not complete: {failed[0]} is {states[failed[0]]}")
            left = tuple(one for one in left if states.get(one[1]) not in ENDED)
            if left and time.monotonic() > until:
                raise Stuck(f"{len(left)} tasks are still open after {LIMIT_S:.0f} s, such as {left[-1][1]}")

    def _each(self, tasks: Sequence[Numbered]) -> Mapping[str, str]:
        """Read tasks whole, and check the results of those that have completed."""

        def part(reader: int) -> dict[str, str]:
            found = {}
            for number, task_id in tasks[reader::READERS]:
                task = self._readers[reader].task(task_id)
                found[task_id] = task["status"]
                if task["status"] == "completed":
                    _check(task, number)
            return found

        with ThreadPoolExecutor(READERS) as pool:
            return {name: state for found in pool.map(part, range(READERS)) for name, state in found.items()}

    def _pages(self, batch: Submitted) -> Mapping[str, str]:
        found: dict[str, str] = {}
        cursor = None
        while True:
            page = self._client.tasks(
                template=TEMPLATE_NAME, label=f"{LABEL}:{batch.label}", limit=PAGE, cursor=cursor
            )
            found |= {task["id"]: task["status"] for task in page["tasks"]}
            cursor = page["next_cursor"]
            if cursor is None:
                return found


def _check(task: Mapping[str, Any], number: int) -> None:
    """Raise Stuck unless the task gave back its input and each of its stages took effect at its first attempt."""
    once = [stage for stage in task["stages"] if stage["status"] == "completed" and stage["attempt"] == 1]
    if task["status"] != "completed" or task["output"] != task_input(number) or len(once) != STAGES:
        raise Stuck(
            f"the task {task['id']} ended as {task['status']} with {len(once)} of {STAGES} stages completed at "
            f"the first attempt, error {task['error']}"
        )
