"""A task replayed from its log through the template's DAG alone: what each line may follow, and where it must lead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.chaos.history import ENDS, STAGE_ENDS, Line
from steersman.tasks.planner import Plan

Wrong = tuple[str, str]
_OF_TASKS = {"task.paused", "task.resumed", "task.undoing"}


@dataclass
class _StageState:
    """`status` as in a row, but `spread` while the stage waits for tasks that it started (its row says running)."""

    status: str
    pending: int
    attempt: int = 1
    anew: bool = False  # it is to be done again, and has not begun to: by the same attempt, or the next

    @property
    def shown(self) -> str:
        return "running" if self.status == "spread" else self.status


@dataclass
class Replay:
    """The state of a task after the lines that were fed to it. `feed` yields (rule, evidence) for each wrong line."""

    plan: Plan
    stages: dict[str, _StageState] = field(init=False)
    status: str | None = None
    open_sinks: int = field(init=False)
    failed: bool = False
    undoing: list[str] = field(default_factory=list)  # the stages that undo, once the task does

    def __post_init__(self) -> None:
        # A stage without needs is due from the start; its line `stage.ready` says that it is.
        self.stages = {
            stage.name: _StageState("pending", stage.pending_needs) for stage in self.plan.new_stages
        }
        self.open_sinks = len(self.plan.template.sinks)

    def feed(self, line: Line) -> Iterator[Wrong]:
        """Take the next line of the log."""
        if self.status in ENDS and line.event == "task.rerun":
            self._rerun(line)
            return
        if self.status in ENDS:
            if line.event != "stage.late":
                yield "nothing after the end", f"{line} after the task was {self.status}"
            return
        if line.stage is None:
            yield from self._task_line(line)
        elif line.stage not in self.stages:
            yield (
                "known stages only",
                f"{line}: the template has no such stage, or it undoes what is not undone",
            )
        elif self.status is None:
            yield "submitted first", f"{line} before task.submitted"
        else:
            yield from self._stage_line(line, self.stages[line.stage])

    def _task_line(self, line: Line) -> Iterator[Wrong]:
        end = line.event.removeprefix("task.")
        if end == "submitted":
            if self.status is not None:
                yield "submitted once", str(line)
            self.status = "open"
            return
        if line.event in _OF_TASKS:
            if end == "undoing":
                yield from self._undo(line)
            return
        if end == "completed" and self.open_sinks != 0:
            yield "completed at the end of all", f"{line} with {self.open_sinks} sinks open"
        if end == "failed" and not self.failed and not self._stopped():
            yield "failed for a reason", f"{line}: no stage failed, and its stages were not stopped"
        if end == "failed":
            yield from self._undone(line)
        self.status = end

    def _rerun(self, line: Line) -> None:
        """Begin again: what was chosen, what did not end well, and all that comes after it."""
        kept = {"completed", "skipped"}
        begins = {name for name, stage in self.stages.items() if stage.status not in kept}
        begins.update(line.detail["from"])
        while more := {one for name in begins for one in self.plan.template.dependants[name]} - begins:
            begins |= more
        for name in begins:
            pending = sum(need in begins for need in self.plan.stage(name).needs)
            self.stages[name] = _StageState("pending", pending, self.stages[name].attempt, anew=True)
        self.open_sinks = sum(1 for name in begins if not self.plan.template.dependants[name])
        self.status, self.failed = "open", False

    def _stopped(self) -> bool:
        """Say whether every stage has ended, as when a task is stopped from outside."""
        return all(stage.status in STAGE_ENDS for stage in self.stages.values())

    def _undo(self, line: Line) -> Iterator[Wrong]:
        """Begin to undo: the order is a matter of times, and held against the rows elsewhere."""
        if self.undoing:
            yield "undone once", str(line)
        if left := [name for name, stage in self.stages.items() if stage.status not in STAGE_ENDS]:
            yield "nothing goes on while a task is undone", f"{line} with {', '.join(left)} open"
        self.undoing = self._to_undo()
        if not self.undoing:
            yield "only what completed is undone", f"{line}, but nothing has completed that can be undone"
        self.stages |= {name: _StageState("pending", 1) for name in self.undoing}
        self.open_sinks = 1

    def _to_undo(self) -> list[str]:
        undoes = self.plan.template.undoes
        return [name for name, undone in undoes.items() if self.stages[undone].status == "completed"]

    def _undone(self, line: Line) -> Iterator[Wrong]:
        """Say what was to be undone before the task fails, and was not."""
        due = self.undoing or self._to_undo()
        left = [
            name for name in due if name not in self.undoing or self.stages[name].status not in STAGE_ENDS
        ]
        if left:
            yield "a task fails when it is undone", f"{line}, but {', '.join(left)} did not run"

    def _stage_line(self, line: Line, stage: _StageState) -> Iterator[Wrong]:
        what = line.event.removeprefix("stage.")
        if what == "late":
            return
        if stage.status in STAGE_ENDS:
            yield "each stage takes effect once", f"{line}, but it was {stage.status} already"
            return
        match what:
            case "ready":
                yield from self._ready(line, stage)
            case "started":
                yield from self._started(line, stage)
            case "retrying":
                yield from self._outcome(line, stage)
                stage.status, stage.attempt = "ready", stage.attempt + 1
            case "awaiting" | "spread":
                yield from self._outcome(line, stage)
                stage.status = what
            case "answered":
                if stage.status != "awaiting":
                    yield "only what waits is answered", f"{line}, but it was {stage.status}"
                stage.status = "ready"
            case "cancelled":
                # One whose worker was lost may have been given back since: the attempt has grown.
                stage.status, stage.attempt = "cancelled", max(stage.attempt, line.attempt or 1)
            case _:
                yield from self._outcome(line, stage)
                self._end(line.stage or "", stage, what)

    def _ready(self, line: Line, stage: _StageState) -> Iterator[Wrong]:
        if stage.status != "pending":
            yield "released once", f"{line}, but it was {stage.status}"
        if line.stage in self.undoing:
            others = [self.stages[name].status for name in self.undoing if name != line.stage]
            if not {"ready", "running"}.isdisjoint(others):
                yield "undone one after the other", f"{line} while another stage undoes"
            stage.pending = 0
        if stage.pending:
            yield "released after its needs", f"{line} with {stage.pending} needs open"
        yield from self._begins(line, stage)
        stage.status = "ready"

    def _begins(self, line: Line, stage: _StageState) -> Iterator[Wrong]:
        """Take the first attempt of a run. A line of readiness tells no attempts of later ones: it says 1."""
        if line.attempt != 1 and not stage.anew:
            yield "attempts grow by one", f"{line}: a stage begins with attempt 1"

    def _started(self, line: Line, stage: _StageState) -> Iterator[Wrong]:
        if stage.pending:
            yield "starts after its needs", f"{line} with {stage.pending} needs open"
        if stage.status == "pending":
            yield "starts when ready", f"{line}, but it was not ready"
        # What waited, or waited for its tasks, goes on with the same attempt.
        taken_over = stage.status == "running"
        again = stage.anew and line.attempt == stage.attempt + 1
        stage.anew = False
        if line.attempt != stage.attempt + taken_over and not again:
            yield (
                "attempts grow by one",
                f"{line}, but the attempt before was {stage.attempt} ({stage.status})",
            )
        stage.status, stage.attempt = "running", line.attempt or stage.attempt

    def _outcome(self, line: Line, stage: _StageState) -> Iterator[Wrong]:
        if stage.status != "running":
            yield "ends only what runs", f"{line}, but it was {stage.status}"
        if line.attempt != stage.attempt:
            yield "ends the attempt that runs", f"{line}, but attempt {stage.attempt} was running"

    def _end(self, name: str, stage: _StageState, status: str) -> None:
        stage.status = status
        if name in self.undoing:
            self.open_sinks = int(any(self.stages[one].status not in STAGE_ENDS for one in self.undoing))
            return
        if status == "failed":
            self.failed = True
            return
        dependants = self.plan.template.dependants[name]
        for dependant in dependants:
            self.stages[dependant].pending -= 1
        self.open_sinks -= not dependants


def replay(plan: Plan, log: Sequence[Line]) -> tuple[Replay, list[Wrong]]:
    """Return the task as its log leaves it, and (rule, evidence) of every line that breaks a rule."""
    task = Replay(plan)
    wrong = [found for line in log for found in task.feed(line)]
    return task, wrong
