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
    """How the result of each task is read over HTTP: in pages of results, or by a request of its own."""

    PAGES = "pages"
    EACH = "each"


class Stuck(Exception):
    """Tasks did not end as they should; the text says which."""


@dataclass(frozen=True)
class Submitted:
    """One accepted batch: its label, and its tasks' numbers and ids in their order."""

    label: str
    tasks: tuple[Numbered, ...]


@dataclass(frozen=True)
class Passed:
    """What one load took: until the last batch was accepted, and until every task's result was read and right."""

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
        """Submit tasks by batches, and read until each has completed with the right result. Raises Stuck."""
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
            self._say(f"{done:,} of {tasks:,} results read after {time.perf_counter() - began:.1f} s")
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

    def check_stages(self, batches: Sequence[Submitted], sample: int) -> int:
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
        """Read the batch by pages, and check the results of those that have completed."""
        numbers = {task_id: number for number, task_id in batch.tasks}
        asked = {"template": TEMPLATE_NAME, "label": f"{LABEL}:{batch.label}", "include": "output"}
        found: dict[str, str] = {}
        cursor = None
        while True:
            page = self._client.tasks(**asked, limit=PAGE, cursor=cursor)
            for task in page["tasks"]:
                found[task["id"]] = task["status"]
                if task["status"] == "completed":
                    _check_output(task, numbers[task["id"]])
            cursor = page["next_cursor"]
            if cursor is None:
                return found


def _check(task: Mapping[str, Any], number: int) -> None:
    """Raise Stuck unless the task gave back its input and each of its stages took effect at its first attempt."""
    _check_output(task, number)
    once = [stage for stage in task["stages"] if stage["status"] == "completed" and stage["attempt"] == 1]
    if len(once) != STAGES:
        raise Stuck(
            f"the task {task['id']} ended with {len(once)} of {STAGES} stages completed at the first attempt"
        )


def _check_output(task: Mapping[str, Any], number: int) -> None:
    if task["status"] != "completed" or task["output"] != task_input(number):
        raise Stuck(
            f"the task {task['id']} ended as {task['status']} with another output than its input, or none; "
            f"error {task['error']}"
        )
