"""What is asked of whatever carries tasks along (memory, SQL), and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from tests.unit.tasks.dags import Dag
from tests.unit.tasks.histories import Event

Answer = Literal["go", "stay", "fail", "timeout", "refuse"]
Told = list[
    tuple[int, Event]
]  # events, each with its task: tasks are numbered in the order of their submission


@dataclass(frozen=True)
class Claim:
    """What a worker asks for: one attempt at a stage, under a lease."""

    stage: str
    attempt: int
    lease: UUID


@dataclass(frozen=True)
class Grant:
    """What a claim was answered with; all but the verdict is of claimed attempts only.

    `first` is whether it was told in the log: the same lease granted again is not.
    """

    verdict: str
    attempt: int = 0
    first: bool = True
    overdue: bool = False
    results: dict[str, Any] | None = None


@dataclass(frozen=True)
class Finish:
    """What a worker reports of an attempt that it was granted, and what its agent answered."""

    stage: str
    lease: UUID
    grant: Grant
    answer: Answer
    tokens: int


@dataclass(frozen=True)
class Seen:
    """What can be seen of a task: statuses, attempts and open needs of its stages among it."""

    status: str
    output: dict[str, Any] | None
    tokens: int
    failed_at: str | None
    stages: dict[str, tuple[str, int, int]]


class Carrier(Protocol):
    """What carries tasks along: batches of claims, results and stops, and a look at what became of them."""

    def submit(self, dag: Dag) -> list[Event]: ...
    def claim(self, claims: Sequence[tuple[int, Claim]]) -> list[Grant]: ...
    def finish(self, finishes: Sequence[tuple[int, Finish]]) -> Told: ...
    def stop(self, tasks: Sequence[int], status: str) -> Told: ...
    def expire(self, task: int, stage: str) -> None: ...
    def pass_deadline(self, task: int) -> None: ...
    def stranded(self) -> set[tuple[int, str, int, bool]]: ...
    def see(self, task: int) -> Seen: ...
    def log(self, task: int) -> list[Event]: ...
    def close(self) -> None: ...
