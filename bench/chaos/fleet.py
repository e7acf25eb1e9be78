"""The processes of a run: started, armed, killed, stalled, started again; every death is accounted for."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Self, TypeGuard

from bench.chaos import schedule
from bench.chaos.process import PRELOADED, live
from bench.chaos.run_folder import Run
from bench.chaos.schedule import Role

# In a storm these die at failpoints, the others at random moments only.
ARMED_PLACES = {Role.WORKER: 2, Role.SUBMITTER: 1, Role.SWEEPER: 1, Role.FOLLOWER: 0, Role.OPERATOR: 0}
PLACES = {
    Role.WORKER: schedule.WORKERS,
    Role.SUBMITTER: schedule.SUBMITTERS,
    Role.SWEEPER: 1,
    Role.FOLLOWER: schedule.FOLLOWERS,
    Role.OPERATOR: schedule.OPERATORS,
}


@dataclass
class Deaths:
    """How the processes of a run ended."""

    at_failpoints: Counter[str] = field(default_factory=Counter)
    at_random: Counter[str] = field(default_factory=Counter)
    stalls: int = 0
    by_themselves: list[str] = field(default_factory=list)
    lives: Counter[str] = field(default_factory=Counter)


@dataclass
class _Place:
    """Where one process after another lives."""

    role: Role
    number: int
    failpoints: Iterator[str]
    life: int = 0
    failpoint: str = ""
    process: ForkServerProcess | None = None
    done: bool = False


class Fleet:
    """Keeps a process in each place; `calm` ones get no failpoint, no faults, and clocks that are right."""

    def __init__(self, run: Run, run_file: Path) -> None:
        self._run = run
        self._run_file = run_file
        self._nursery = multiprocessing.get_context("forkserver")
        self._nursery.set_forkserver_preload(list(PRELOADED))
        self._calm = False
        self.deaths = Deaths()
        self._places = [
            _Place(role, number, self._failpoints(role, number))
            for role, count in PLACES.items()
            for number in range(count)
        ]

    def tend(self) -> None:
        """Start what is not there; call it often. Who has done its work is not started again."""
        for place in self._places:
            if place.process is not None and (code := place.process.exitcode) is not None:
                self._account(place, code)
            if place.process is None and not place.done:
                self._start(place)

    def kill(self, role: Role, number: int) -> None:
        """Kill what lives in a place, if anything does."""
        place = self._place(role, number)
        if _lives(place.process):
            self._end(place)
            self.deaths.at_random[role] += 1

    def stall(self, role: Role, number: int) -> None:
        """Stop a process in the middle of whatever it does, until `resume`."""
        if _lives(process := self._place(role, number).process):
            _signal(process, signal.SIGSTOP)
            self.deaths.stalls += 1

    def resume(self, role: Role, number: int) -> None:
        """Let a stalled process go on."""
        if _lives(process := self._place(role, number).process):
            _signal(process, signal.SIGCONT)

    def calm(self) -> None:
        """Kill everything, and from now on let processes live."""
        self.kill_all()
        self._calm = True

    def submitted(self) -> bool:
        """Say whether every submitter has done all its moves."""
        return self._done(Role.SUBMITTER)

    def followed(self) -> bool:
        """Say whether every follower was told the end of all that it followed; none is before the calm."""
        return self._done(Role.FOLLOWER)

    def kill_all(self) -> None:
        for place in self._places:
            self._end(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_all()

    def _failpoints(self, role: Role, number: int) -> Iterator[str]:
        if number >= ARMED_PLACES[role]:
            return repeat("")
        return schedule.failpoints(self._run.seed, role, number, ARMED_PLACES[role])

    def _done(self, role: Role) -> bool:
        return all(place.done for place in self._places if place.role is role)

    def _place(self, role: Role, number: int) -> _Place:
        return next(place for place in self._places if (place.role, place.number) == (role, number))

    def _start(self, place: _Place) -> None:
        place.life += 1
        place.failpoint = "" if self._calm else next(place.failpoints)
        place.process = self._nursery.Process(
            target=live,
            args=(self._run_file, place.role, place.number, place.life, place.failpoint, self._calm),
        )
        place.process.start()
        self.deaths.lives[place.role] += 1

    def _account(self, place: _Place, code: int) -> None:
        """Note how a process ended that nobody here killed."""
        place.process = None
        if code == 0:
            place.done = place.role in {Role.SUBMITTER, Role.FOLLOWER}
        elif code == -signal.SIGKILL and place.failpoint:
            self.deaths.at_failpoints[place.failpoint.partition(":")[0]] += 1
        else:
            self.deaths.by_themselves.append(f"{place.role}-{place.number}-{place.life} ended with {code}")

    def _end(self, place: _Place) -> None:
        if place.process is None:
            return
        if (code := place.process.exitcode) is not None:
            self._account(place, code)
            return
        place.process.kill()  # SIGKILL ends a stopped process too
        place.process.join()
        place.process = None


def _lives(process: ForkServerProcess | None) -> TypeGuard[ForkServerProcess]:
    return process is not None and process.exitcode is None


def _signal(process: ForkServerProcess, number: signal.Signals) -> None:
    if process.pid is not None:
        os.kill(process.pid, number)
