"""Properties of the planner's decisions, held on random DAGs by the reference model."""

import random

from hypothesis import given
from hypothesis import strategies as st

from steersman.tasks.words import STAGE_TRANSITIONS, StageStatus, TaskStatus
from tests.unit.tasks.reference import ReferenceTask, Script, scripts


def finish(script: Script, rng: random.Random, batch: int) -> ReferenceTask:
    """Run a task to its end in a random order, checking every step of the way."""
    task = ReferenceTask(script, script.plan())
    for _ in range(1000):
        if task.status.final:
            return task
        ready = task.ready()
        assert ready, "an open task has nothing to do"
        chosen = rng.sample(ready, min(batch, len(ready)))
        assert all(needs_ended(task, name) for name in chosen)
        before = dict(task.stages)
        task.run(chosen)
        assert all(allowed(before[name], now, name in chosen) for name, now in task.stages.items())
    raise AssertionError("the task does not end")


def needs_ended(task: ReferenceTask, name: str) -> bool:
    return all(task.stages[need].final for need in task.plan.stage(name).needs)


def allowed(before: StageStatus, now: StageStatus, ran: bool) -> bool:
    """Say whether the table of transitions allows this step, through `running` for a stage that ran."""
    return before is now or now in STAGE_TRANSITIONS[StageStatus.RUNNING if ran else before]


orders = st.builds(random.Random, st.integers(0, 2**16))


@given(scripts(), orders, st.integers(1, 4))
def test_every_task_ends_and_no_stage_starts_early_or_twice(
    script: Script, rng: random.Random, batch: int
) -> None:
    """Whatever the DAG, the answers and the order: stages start after their needs, each attempt once, the task ends."""
    task = finish(script, rng, batch)
    assert len(set(task.started)) == len(task.started)
    for stage in task.plan.template.stages:
        assert task.attempts[stage.name] <= stage.retry.max_attempts


@given(scripts(), orders, st.integers(1, 4))
def test_a_task_completes_exactly_when_every_stage_has_ended_well(
    script: Script, rng: random.Random, batch: int
) -> None:
    """A task is completed if and only if all its stages are completed or skipped; its output is its output stage's."""
    task = finish(script, rng, batch)
    ended_well = set(task.stages.values()) <= {StageStatus.COMPLETED, StageStatus.SKIPPED}
    assert (task.status is TaskStatus.COMPLETED) == ended_well
    if ended_well:
        assert task.output == task.results[task.plan.template.output_stage]
        assert {name for name, _ in task.started} == set(task.stages)


@given(scripts(), orders, orders)
def test_the_order_of_work_does_not_change_a_completed_task(
    script: Script, one: random.Random, other: random.Random
) -> None:
    """Where no order fails the task, every order gives the same statuses and the same output."""
    first, second = finish(script, one, 1), finish(script, other, 3)
    assert first.status == second.status
    if first.status is TaskStatus.COMPLETED:
        assert (first.stages, first.output) == (second.stages, second.output)
