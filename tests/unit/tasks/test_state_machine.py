"""The planner's decisions, carried out in memory, and the model, side by side through all that can happen."""

import random
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from steersman.tasks.planner import Decision, Plan
from steersman.tasks.template import parse_template
from steersman.tasks.words import StageStatus, TaskStatus
from tests.unit.tasks.carrier import Claim, Finish, Grant, Seen, Told
from tests.unit.tasks.dags import Dag
from tests.unit.tasks.histories import Event
from tests.unit.tasks.machine import TaskMachine
from tests.unit.tasks.reference import ReferenceTask, Script, decide

RNG = random.Random(3)  # noqa: S311 - jitter


class MemoryCarrier:
    """Tasks in memory, as the planner decides."""

    def __init__(self) -> None:
        self.tasks: list[ReferenceTask] = []
        self.dags: list[Dag] = []
        self.overdue: set[int] = set()
        self.logs: list[list[Event]] = []

    def submit(self, dag: Dag) -> list[Event]:
        script = Script(dag.document(), {})
        task = ReferenceTask(script, Plan(UUID(int=1), 1, parse_template(script.document)))
        self.tasks.append(task)
        self.dags.append(dag)
        self.logs.append([])
        events: list[Event] = [("task.submitted", None, None)]
        events += [("stage.ready", name, 1) for name in task.ready()]
        return [event for _, event in self._logged(len(self.tasks) - 1, events)]

    def claim(self, claims: Sequence[tuple[int, Claim]]) -> list[Grant]:
        return [self._grant(task, claim) for task, claim in claims]

    def _grant(self, number: int, claim: Claim) -> Grant:
        task = self.tasks[number]
        running = task.stages[claim.stage] is StageStatus.RUNNING
        first = not (running and task.leases[claim.stage] == claim.lease)
        verdict = task.claim(claim.stage, claim.attempt, claim.lease)
        if verdict != "claimed":
            return Grant(verdict)
        attempt = task.attempts[claim.stage]
        if first:
            self._logged(number, [("stage.started", claim.stage, attempt)])
        visible = task.plan.visible(claim.stage, task.results)
        return Grant(verdict, attempt, first, number in self.overdue, visible)

    def finish(self, finishes: Sequence[tuple[int, Finish]]) -> Told:
        batches: dict[int, list[tuple[str, UUID, Decision, int]]] = defaultdict(list)
        for number, finish in finishes:
            plan, grant = self.tasks[number].plan, finish.grant
            decision = decide(
                plan,
                finish.stage,
                grant.attempt,
                self.dags[number].input,
                grant.results or {},
                finish.answer,
                RNG,
                overdue=grant.overdue,
            )
            batches[number].append((finish.stage, finish.lease, decision, finish.tokens))
        return [
            told
            for number, batch in batches.items()
            for told in self._logged(number, self.tasks[number].complete(batch))
        ]

    def stop(self, tasks: Sequence[int], status: str) -> Told:
        return [
            told for task in tasks for told in self._logged(task, self.tasks[task].stop(TaskStatus(status)))
        ]

    def expire(self, task: int, stage: str) -> None:
        self.tasks[task].expired.add(stage)

    def pass_deadline(self, task: int) -> None:
        self.overdue.add(task)

    def stranded(self) -> set[tuple[int, str, int, bool]]:
        return {
            (number, name, task.attempts[name], number in self.overdue)
            for number, task in enumerate(self.tasks)
            for name, status in task.stages.items()
            if not status.final
            and (
                number in self.overdue or status == "ready" or (status == "running" and name in task.expired)
            )
        }

    def see(self, task: int) -> Seen:
        found = self.tasks[task]
        stages = {
            name: (str(status), found.attempts[name], found.pending[name])
            for name, status in found.stages.items()
        }
        output = dict(found.output) if found.output is not None else None
        return Seen(str(found.status), output, found.tokens, found.failed_at, stages)

    def log(self, task: int) -> list[Event]:
        return self.logs[task]

    def close(self) -> None:
        """Nothing to close."""

    def _logged(self, task: int, events: list[Event]) -> Told:
        self.logs[task] += events
        return [(task, event) for event in events]


def test_the_planner_and_the_model_agree_whatever_happens() -> None:
    """On DAGs to 60 stages, after every delivery, result, crash, cancel or duplicate, both have the same state."""
    run_state_machine_as_test(
        lambda: TaskMachine(MemoryCarrier()),  # type: ignore[arg-type]  # a factory serves too
        settings=settings(
            max_examples=150,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
