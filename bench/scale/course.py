"""What becomes of one sample task: the research DAG, run as the engine runs it, on a clock of its own.

It draws ids as the engine does and writes its log's lines: one for each end of an attempt, of a stage or of the task.
"""

import random
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from typing import Any, NamedTuple

STAGES: tuple[dict[str, Any], ...] = (
    {"name": "intent", "queue": "intent", "needs": []},
    {"name": "embedding", "queue": "embedding", "needs": ["intent"]},
    {"name": "websearch", "queue": "websearch", "needs": ["intent"]},
    {"name": "executor", "queue": "executor", "needs": ["embedding", "websearch"]},
    {"name": "moderator", "queue": "moderator", "needs": ["executor"]},
    {"name": "response", "queue": "responses", "needs": ["moderator"]},
)
CAPABILITY = "echo"
DEPENDANTS = tuple(
    tuple(place for place, other in enumerate(STAGES) if stage["name"] in other["needs"]) for stage in STAGES
)
RETRIED = 1 / 3  # of the stages fail once: so a task's eight lines become ten on average
MAX_ATTEMPTS = 3
ID_STEP = 128  # of the log's sequence: a line's id, and room for those of the stages that it frees
# A task draws an id when it is submitted, when it ends, and for the start and the end of each attempt.
IDS_A_TASK = 2 + 2 * (2 * (len(STAGES) - 1) + MAX_ATTEMPTS)


class Line(NamedTuple):
    """A line of the log; times are milliseconds of Unix time."""

    id: int
    at: int
    stage: str | None
    event: str
    attempt: int | None = None
    started_id: int | None = None
    started_at: int | None = None
    frees: tuple[str, ...] = ()
    retry_delay_ms: int = 0


@dataclass(slots=True)
class Stage:
    """A stage as it stands; times are milliseconds of Unix time."""

    pending_needs: int
    tries: int  # how many attempts it takes
    status: str = "pending"
    attempt: int = 1
    calls: int = 0  # attempts that an agent answered
    ready_at: int | None = None
    started_at: int | None = None
    started_id: int | None = None
    finished_at: int | None = None
    has_error: bool = False


class _Step(IntEnum):
    START = 0
    END = 1
    CANCEL = 2


class Course:
    """A task that ended: its stages in the order of `STAGES`, its log, when it started and ended.

    `fate` is the status it ends with. Ids are drawn from `first_id` on, not more than `IDS_A_TASK`.
    """

    def __init__(self, fate: str, created: int, first_id: int, rng: random.Random) -> None:
        self._next_id = first_id
        self._rng = rng
        self._fate = fate
        self._stopped_by = len(STAGES) if fate == "completed" else rng.randrange(1, len(STAGES))
        self._steps: list[tuple[int, int, _Step]] = []
        self.stages = [self._new_stage(place) for place in range(len(STAGES))]
        self.lines: list[Line] = []
        self.started_at = self.ended_at = created
        self._run(created)

    def _new_stage(self, place: int) -> Stage:
        fails = self._fate == "failed" and place == self._stopped_by
        tries = MAX_ATTEMPTS if fails else 1 + (self._rng.random() < RETRIED)
        return Stage(len(STAGES[place]["needs"]), tries)

    def _run(self, created: int) -> None:
        sources = [place for place, stage in enumerate(self.stages) if not stage.pending_needs]
        names = tuple(STAGES[place]["name"] for place in sources)
        self.lines.append(Line(self._id(), created, None, "task.submitted", frees=names))
        for place in sources:
            self._make_ready(place, created)
        while self._steps:
            at, place, step = heappop(self._steps)
            if step is _Step.START:
                self._start(place, at)
            elif step is _Step.END:
                self._end(place, at)
            else:
                self._stop(at)
        self.started_at = self.lines[1].started_at or created

    def _id(self) -> int:
        drawn = self._next_id
        self._next_id += ID_STEP
        return drawn

    def _make_ready(self, place: int, at: int) -> None:
        stage = self.stages[place]
        stage.status, stage.ready_at = "ready", at
        heappush(self._steps, (at + self._rng.randrange(4, 60), place, _Step.START))

    def _start(self, place: int, at: int) -> None:
        stage = self.stages[place]
        stage.status, stage.started_at, stage.started_id = "running", at, self._id()
        duration = self._rng.randrange(20, 900)
        if self._fate == "cancelled" and place == self._stopped_by and stage.attempt == stage.tries:
            heappush(self._steps, (at + duration // 2, place, _Step.CANCEL))
        heappush(self._steps, (at + duration, place, _Step.END))

    def _end(self, place: int, at: int) -> None:
        stage = self.stages[place]
        stage.calls += 1
        stage.has_error = stage.attempt < stage.tries or stage.tries == MAX_ATTEMPTS
        if stage.attempt < stage.tries:
            delay = self._rng.randrange(1, 1000 * 2 ** (stage.attempt - 1))
            self._log_end(place, at, "stage.retrying", retry_delay_ms=delay)
            stage.attempt += 1
            self._make_ready(place, at + delay)
        elif stage.has_error:
            stage.status, stage.finished_at = "failed", at
            self._log_end(place, at, "stage.failed")
            self._stop(at)
        else:
            stage.status, stage.finished_at = "completed", at
            self._log_end(place, at, "stage.completed", frees=self._release(place, at))
            if not DEPENDANTS[place]:
                self._end_task(at)

    def _release(self, place: int, at: int) -> tuple[str, ...]:
        freed = []
        for dependant in DEPENDANTS[place]:
            self.stages[dependant].pending_needs -= 1
            if not self.stages[dependant].pending_needs:
                self._make_ready(dependant, at)
                freed.append(STAGES[dependant]["name"])
        return tuple(freed)

    def _log_end(self, place: int, at: int, event: str, **more: Any) -> None:
        stage, name = self.stages[place], STAGES[place]["name"]
        started = (stage.started_id, stage.started_at)
        self.lines.append(Line(self._id(), at, name, event, stage.attempt, *started, **more))

    def _stop(self, at: int) -> None:
        """End the task early, and with it what is open of it."""
        for place, stage in enumerate(self.stages):
            if stage.status == "running":
                self._log_end(place, at, "stage.cancelled")
            elif stage.status in ("pending", "ready"):
                name = STAGES[place]["name"]
                self.lines.append(Line(self._id(), at, name, "stage.cancelled", stage.attempt))
            else:
                continue
            stage.status, stage.finished_at = "cancelled", at
        self._end_task(at)

    def _end_task(self, at: int) -> None:
        self._steps.clear()
        self.ended_at = at
        self.lines.append(Line(self._id(), at, None, f"task.{self._fate}"))
