"""The steps of `up` and `down`: each says what it needs, and those that can, run at the same time."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from steersman.local.errors import LocalCloudError


@dataclass(frozen=True)
class Step:
    """One thing to do: `run` returns what it did in a few words; `needs` are steps that end before it."""

    name: str
    run: Callable[[], str]
    needs: tuple[str, ...] = ()


class Progress(Protocol):
    """Told how the steps go. Calls come from one thread at a time, but not always from the same one."""

    def started(self, step: str) -> None: ...

    def finished(self, step: str, seconds: float, detail: str) -> None: ...

    def failed(self, step: str, seconds: float, error: BaseException) -> None: ...


class Silent:
    """Progress that nobody watches."""

    def started(self, step: str) -> None:
        """Say nothing."""

    def finished(self, step: str, seconds: float, detail: str) -> None:
        """Say nothing."""

    def failed(self, step: str, seconds: float, error: BaseException) -> None:
        """Say nothing."""


def check_order(steps: Sequence[Step]) -> None:
    """Raise ValueError when a name comes twice, or a step needs one that does not come before it."""
    known: set[str] = set()
    for step in steps:
        if step.name in known:
            raise ValueError(f"the step {step.name} comes twice")
        if missing := [need for need in step.needs if need not in known]:
            raise ValueError(
                f"the step {step.name} needs {', '.join(missing)}, which does not come before it"
            )
        known.add(step.name)


def run_steps(steps: Sequence[Step], progress: Progress) -> None:
    """Run the steps, each as soon as what it needs is done.

    After an error nothing new starts; it is raised when the running steps have ended.
    """
    check_order(steps)
    teller = _Teller(progress)
    waiting = list(steps)
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    error: BaseException | None = None
    with ThreadPoolExecutor(max_workers=max(1, len(steps)), thread_name_prefix="step") as pool:
        while running or (waiting and error is None):
            if error is None:
                ready = ready_steps(waiting, done)
                waiting = [step for step in waiting if step not in ready]
                running |= {pool.submit(teller.run, step): step.name for step in ready}
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                done.add(running.pop(future))
                error = error or future.exception()
    if error is not None:
        raise error


def ready_steps(waiting: Iterable[Step], done: set[str]) -> list[Step]:
    """Return the waiting steps whose needs are all done, in their order."""
    return [step for step in waiting if done.issuperset(step.needs)]


class _Teller:
    """Runs steps and tells the progress, one call at a time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()

    def run(self, step: Step) -> None:
        begin = time.monotonic()
        with self._lock:
            self._progress.started(step.name)
        try:
            detail = step.run()
        except BaseException as exc:
            with self._lock:
                self._progress.failed(step.name, time.monotonic() - begin, exc)
            raise
        with self._lock:
            self._progress.finished(step.name, time.monotonic() - begin, detail)


def explain(error: BaseException) -> Mapping[str, str]:
    """Return an error as `message`, `log` and `advice` (empty where there is none), for whatever shows it."""
    log = getattr(error, "log", None)
    advice = error.advice if isinstance(error, LocalCloudError) else ""
    return {"message": str(error) or type(error).__name__, "log": str(log or ""), "advice": advice}
