"""Tasks in memory with all that they start, carried along by the planner's decisions alone."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused
from steersman.tasks.planner import Decision, Plan, describe
from steersman.tasks.special import Step, next_step
from steersman.tasks.template import parse_template
from steersman.tasks.ways import Awaiting, Child, Children
from steersman.tasks.words import StageStatus
from tests.unit.tasks.works import Work, says_yes

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OPEN = {StageStatus.PENDING, StageStatus.READY, StageStatus.RUNNING, StageStatus.AWAITING}


@dataclass
class MemoryStage:
    """One stage: `aside` is what a claim finds of it, `finished_at` which end of all it was."""

    status: StageStatus
    pending: int
    output: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    aside: dict[str, Any] = field(default_factory=dict)
    children: "list[MemoryTask]" = field(default_factory=list)
    window: int = 0
    tolerated: int = 0
    finished_at: int = 0


class MemoryTask:
    """A task of drawn work; `item` is its input's index when it is one of a fan-out."""

    def __init__(
        self, world: "MemoryFamily", work: Work, plan: Plan, given: Mapping[str, Any], item: bool = False
    ) -> None:
        self.world, self.work, self.plan, self.input, self.item = world, work, plan, dict(given), item
        self.stages = {one.name: MemoryStage(one.status, one.pending_needs) for one in plan.new_stages}
        self.open_sinks = len(plan.template.sinks)
        self.status = "running"
        self.error: Mapping[str, Any] | None = None
        self.failing: Mapping[str, Any] | None = None
        self.output: Mapping[str, Any] | None = None
        world.tasks.append(self)

    def runs(self, name: str) -> None:
        """Do one step of a ready stage."""
        stage = self.stages[name]
        stage.status = StageStatus.RUNNING
        step = self._step(name, stage)
        if isinstance(step, Awaiting):
            stage.status = StageStatus.AWAITING
            stage.aside["waited_s"] = 0.0
        elif isinstance(step, Children):
            self._spread(stage, name, step)
        elif isinstance(step, StageResult):
            self._carry_out(name, self._completed(name, step.output))
        else:
            self._carry_out(name, self._failed(name, step))

    def _step(self, name: str, stage: MemoryStage) -> Step:
        node = self.plan.stage(name)
        if node.calls_agent:
            agreed = says_yes(self.work, name, self.input)
            return StageResult({"stage": name}) if agreed else AgentRefused("no")
        found = [Child(place, one.status, one.output, one.error) for place, one in enumerate(stage.children)]
        return next_step(node, self._job(name), stage.aside, NOW, lambda _: found)

    def _job(self, name: str) -> StageJob:
        results = {known: one.output for known, one in self.stages.items()}
        return StageJob(
            task_id=UUID(int=1),
            project_id=UUID(int=2),
            stage=name,
            capability="test.do",
            attempt=1,
            timeout_s=1.0,
            correlation_id="",
            input=self.input,
            results=self.plan.visible(name, results),
            provenance=[],
        )

    def _spread(self, stage: MemoryStage, name: str, found: Children) -> None:
        nested = found.nested
        for given in found.inputs:
            if nested:
                work = self.world.works[nested.template]
                stage.children.append(MemoryTask(self.world, work, self.world.plans[work.name], given))
            else:
                stage.children.append(
                    MemoryTask(self.world, self.work, self.plan.of_item(name), given, item=True)
                )
        stage.window, stage.tolerated = found.window, found.tolerated

    def joins(self, name: str) -> bool:
        """Let a stage go on whose tasks have ended, or of which too many failed; say whether it does."""
        stage = self.stages[name]
        ended = [one for one in stage.children if one.status != "running"]
        failed = sum(1 for one in ended if one.status != "completed")
        if len(ended) < len(stage.children) and failed <= stage.tolerated:
            return False
        stage.aside |= {"children": len(stage.children), "children_failed": failed}
        stage.status = StageStatus.READY
        return True

    def _completed(self, name: str, output: Mapping[str, Any]) -> Decision:
        if self.failing is not None:
            return self.plan.undone(self.stages[name].aside["then"], output, None)
        return self.plan.completed(name, output)

    def _failed(self, name: str, error: AgentError) -> Decision:
        if self.failing is not None:
            return self.plan.undone(self.stages[name].aside["then"], None, describe(error))
        return self.plan.failed(name, 99, error, self.world.rng)

    def _carry_out(self, name: str, decision: Decision) -> None:
        stage = self.stages[name]
        stage.status, stage.output, stage.error = decision.status, decision.output, decision.error
        stage.finished_at = self.world.tick()
        for child in stage.children:
            child.stop()
        if decision.fails_task or decision.undoes_task:
            self._fail({**(decision.error or {}), "stage": name}, undoes=decision.undoes_task)
            return
        for dependant in decision.releases:
            self.stages[dependant].pending -= 1
            if self.stages[dependant].pending == 0:
                self.stages[dependant].status = StageStatus.READY
        if decision.gives_task_output:
            self.output = decision.output
        self.open_sinks -= decision.ends_sink
        if self.open_sinks == 0:
            self.status, self.error = ("failed", self.failing) if self.failing else ("completed", None)

    def _fail(self, error: Mapping[str, Any], *, undoes: bool) -> None:
        self._cancel_open()
        undo = self.plan.template.undoes if undoes else {}
        due = [name for name, undone in undo.items() if self.stages[undone].status is StageStatus.COMPLETED]
        due.sort(key=lambda name: self.stages[undo[name]].finished_at, reverse=True)
        if not due:
            self.status, self.error = "failed", error
            return
        self.failing, self.open_sinks = error, 1
        for place, name in enumerate(due):
            status = StageStatus.PENDING if place else StageStatus.READY
            then = due[place + 1] if place + 1 < len(due) else None
            self.stages[name] = MemoryStage(status, int(place > 0), aside={"then": then})

    def stop(self) -> None:
        """Cancel the task, if it is open."""
        if self.status == "running":
            self.status = "cancelled"
            self._cancel_open()

    def _cancel_open(self) -> None:
        for stage in self.stages.values():
            if stage.status in OPEN:
                stage.status = StageStatus.CANCELLED
                for child in stage.children:
                    child.stop()

    def shown(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"name": name, "status": str(stage.status), "finished_at": stage.finished_at}
            for name, stage in self.stages.items()
        ]


class MemoryFamily:
    """A task with all that it starts; `moves` are what can happen now."""

    def __init__(self, work: Work, rng: random.Random) -> None:
        self.rng = rng
        self.tasks: list[MemoryTask] = []
        self._ticks = 0
        self.works = {one.name: one for one in work.all()}
        self.plans = {
            name: Plan(UUID(int=place), 1, parse_template(one.document()))
            for place, (name, one) in enumerate(self.works.items())
        }
        self.top = MemoryTask(self, work, self.plans[work.name], {"question": "why?"})

    def tick(self) -> int:
        self._ticks += 1
        return self._ticks

    def moves(self) -> Iterator[tuple[MemoryTask, str]]:
        """Yield the stages (of open tasks) that are ready, wait for an answer or a time, or may join."""
        held = {id(child) for child in self._held()}
        for task in self.tasks:
            for name, stage in (
                task.stages.items() if task.status == "running" and id(task) not in held else ()
            ):
                waits = stage.status is StageStatus.RUNNING and stage.children
                if stage.status in {StageStatus.READY, StageStatus.AWAITING} or waits:
                    yield task, name

    def _held(self) -> Iterator[MemoryTask]:
        """Yield the items whose turn has not come."""
        for stage in (stage for task in self.tasks for stage in task.stages.values()):
            ended = sum(1 for child in stage.children if child.status != "running")
            yield from stage.children[stage.window + ended :]

    def move(self, task: MemoryTask, name: str) -> bool:
        """Let a stage do what it can, and say whether that was anything."""
        stage = task.stages[name]
        if stage.status is StageStatus.RUNNING:
            return task.joins(name)
        if stage.status is StageStatus.AWAITING:
            part = task.work.by_name[name]
            if part.kind == "approval":
                stage.aside["answer"] = {"approved": part.good, "answer": {}, "comment": None, "by": "test"}
            stage.status = StageStatus.READY
            return True
        task.runs(name)
        return True
