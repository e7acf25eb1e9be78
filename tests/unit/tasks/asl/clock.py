"""A virtual clock for things that happen side by side, as generators: nothing waits, time jumps to what comes next.

A process yields `Sleep`, or `Fork` for processes of its own; a fork ends with the list of what they returned, or with
the first error of any, and then the others are stopped. One that yields `Parked` waits until it is answered.
"""

import heapq
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any


class StateFailed(Exception):
    """A state, or the work behind it, ended with an error that has a name."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Fork:
    processes: "Sequence[Process]"
    at_a_time: int = 0  # none: all


@dataclass(frozen=True)
class Parked:
    key: str


Process = Generator[Sleep | Fork | Parked, Any, Any]


@dataclass
class _Running:
    process: Process
    group: "_Group | None" = None
    place: int = 0
    stopped: bool = False
    forked: "_Group | None" = None


@dataclass
class _Group:
    """What one fork began."""

    parent: _Running
    waiting: list[_Running]
    results: list[Any]
    at_work: set[int] = field(default_factory=set)
    open: int = 0


@dataclass
class Clock:
    """Runs processes; `now` is in seconds from 0."""

    now: float = 0.0
    _due: list[tuple[float, int, _Running]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _ended: list[Any] = field(default_factory=list)
    _parked: "dict[str, _Running]" = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return bool(self._ended)

    @property
    def outcome(self) -> Any:
        """What the process returned, or its StateFailed."""
        (ended,) = self._ended
        return ended

    @property
    def parked(self) -> list[str]:
        """The keys of those that wait for an answer."""
        return [key for key, running in self._parked.items() if not running.stopped and not self._ended]

    def begin(self, process: Process) -> None:
        """Let a process run until all of it sleeps or is parked."""
        self._step(_Running(process))

    def wake(self) -> bool:
        """Let time go on to what is due next; say whether anything was."""
        while self._due and not self._ended:
            self.now, _, running = heapq.heappop(self._due)
            if not running.stopped:
                self._step(running)
                return True
        return False

    def settle(self) -> None:
        """Do all that is due by now."""
        while self._due and self._due[0][0] <= self.now and self.wake():
            pass

    def answer(self, key: str, value: Any) -> bool:
        """Give a parked process its value, or raise the StateFailed in it; say whether it waited."""
        if key not in self.parked:
            return False
        self._step(self._parked.pop(key), value)
        return True

    def run(self, process: Process) -> Any:
        """Return what a process returns, or raise its error."""
        self.begin(process)
        while self.wake():
            pass
        assert self._ended, "the process waits for nothing"
        if isinstance(self.outcome, StateFailed):
            raise self.outcome
        return self.outcome

    def _step(self, running: _Running, value: Any = None) -> None:
        try:
            process = running.process
            asked = process.throw(value) if isinstance(value, StateFailed) else process.send(value)
        except StopIteration as stop:
            self._end(running, stop.value)
        except StateFailed as failed:
            self._end(running, failed)
        else:
            self._do(running, asked)

    def _do(self, running: _Running, asked: Sleep | Fork | Parked) -> None:
        if isinstance(asked, Parked):
            self._parked[asked.key] = running
            return
        if isinstance(asked, Sleep):
            heapq.heappush(self._due, (self.now + asked.seconds, next(self._order), running))
            return
        group = _Group(running, [], [None] * len(asked.processes), open=len(asked.processes))
        group.waiting = [_Running(process, group, place) for place, process in enumerate(asked.processes)]
        running.forked = group
        if not group.waiting:
            self._step(running, [])
            return
        beginning = asked.at_a_time or len(group.waiting)
        first, group.waiting = group.waiting[:beginning], group.waiting[beginning:]
        for child in first:
            # Through the queue, so that a child that fails at once meets its siblings begun.
            heapq.heappush(self._due, (self.now, next(self._order), child))

    def _end(self, running: _Running, outcome: Any) -> None:
        group = running.group
        running.stopped = True
        if group is None:
            self._ended.append(outcome)
        elif isinstance(outcome, StateFailed):
            _stop(group, [*(running for _, _, running in self._due), *self._parked.values()])
            self._step(group.parent, outcome)
        else:
            group.results[running.place] = outcome
            group.open -= 1
            if group.waiting:
                heapq.heappush(self._due, (self.now, next(self._order), group.waiting.pop(0)))
            if not group.open:
                self._step(group.parent, group.results)


def _stop(group: _Group, leaves: Sequence[_Running]) -> None:
    """Stop every process under a group, however deep; `leaves` are those that sleep or are parked."""
    group.waiting.clear()
    for running in leaves:
        above: _Group | None = running.group
        while above is not None:
            if above is group:
                running.stopped = True
            above = above.parent.group
