"""Random DAGs that fail here and there, run again from random stages: over and over, each ends whole."""

import random
from typing import Any
from uuid import UUID

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused
from steersman.tasks.planner import Plan
from steersman.tasks.words import StageStatus
from tests.fixtures.engine import Rig
from tests.fixtures.resuming import Again, again, asked
from tests.unit.tasks.dags import Dag, dags

RUNS = 4


@pytest.fixture
def runs(rig: Rig, redis_client: redis.Redis) -> Again:
    return again(rig, redis_client)


def drawn(rng: random.Random, fragile: float) -> Any:
    def behave(job: StageJob) -> StageResult | AgentError:
        if rng.random() < fragile:
            return rng.choice([AgentError("again"), AgentRefused("never")])
        return StageResult(output={"stage": job.stage, "go": True, "attempt": job.attempt})

    return behave


def standing(rig: Rig, task_id: UUID) -> dict[str, tuple[Any, ...]]:
    rows = rig.database.run(
        "SELECT name, status, attempt, output, pending_needs, base_attempt FROM task_stages WHERE task_id = %(id)s",
        {"id": task_id},
    )
    return {row["name"]: tuple(row.values()) for row in rows}


def next_run(rig: Rig, runs: Again, task_id: UUID, plan: Plan, rng: random.Random) -> None:
    """Resume the task by its letter where it has one, or from drawn stages; hold what it does against `Plan.reset`."""
    before = standing(rig, task_id)
    statuses = {name: StageStatus(row[1]) for name, row in before.items()}
    letters = [letter for letter in runs.open_letters() if letter["task_id"] == task_id]
    assert bool(letters) == any(status is StageStatus.FAILED for status in statuses.values())
    if letters and rng.random() < 0.5:
        chosen = [rng.choice(letters)["stage"]]
        letter = next(one for one in letters if one["stage"] == chosen[0])
        runs.letters.redrive(letter["id"], asked(), None)
    else:
        chosen = rng.sample(sorted(before), rng.randint(1, len(before)))
        runs.reruns.rerun(task_id, chosen, asked())
    anew = {one.name: one for one in plan.reset(chosen, statuses)}
    rig.agent.jobs.clear()
    for name, row in standing(rig, task_id).items():
        if name in anew:
            assert (row[1], row[4]) == (anew[name].status, anew[name].pending_needs)
        else:
            assert row == before[name]
    work(rig, rng)
    after = standing(rig, task_id)
    asked_for = [(job.stage, job.attempt) for job in rig.agent.jobs]
    assert len(set(asked_for)) == len(asked_for)
    assert {name for name, _ in asked_for} <= anew.keys()
    assert all(number > before[name][2] or before[name][1] == "cancelled" for name, number in asked_for)
    assert all(after[name] == before[name] for name in before.keys() - anew.keys())


def work(rig: Rig, rng: random.Random) -> None:
    """Do what waits, in any order, in batches of any size, some messages twice."""
    waiting = rig.sqs.take_all()
    while waiting:
        rng.shuffle(waiting)
        chosen = [waiting.pop() for _ in range(min(rng.randint(1, 4), len(waiting)))]
        rig.engine.run(chosen)
        if rng.random() < 0.3:
            rig.engine.run(chosen)
        waiting += rig.sqs.take_all()


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink on a database takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(dags(14), st.integers(0, 2**32), st.sampled_from([0.0, 0.15, 0.4]))
def test_any_dag_runs_again_as_often_as_it_is_asked_to(
    rig: Rig, runs: Again, dag: Dag, seed: int, fragile: float
) -> None:
    """After each resumption the task ends; only what begins anew is done, no attempt twice, all else stays as it is."""
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    rig.sqs.queues.clear()
    rig.behaviours.clear()
    for node in dag.nodes:
        rig.behaviours[node.name] = drawn(rng, fragile)
    plan = rig.publish(dag.document()["stages"], output=dag.output, name=f"drawn_{seed}")
    (task_id,) = rig.submit(plan, input=dag.input)
    work(rig, rng)
    for _ in range(RUNS):
        assert rig.task(task_id)["status"] in {"completed", "failed"}
        next_run(rig, runs, task_id, plan, rng)
    ends = {row[1] for row in standing(rig, task_id).values()}
    completed = rig.task(task_id)["status"] == "completed"
    assert ends <= (
        {"completed", "skipped"} if completed else {"completed", "skipped", "failed", "cancelled"}
    )
    told = [event for event in rig.events(task_id) if event.startswith("task.")]
    assert len(told) == 2 * (RUNS + 1)
    assert told[::2] == ["task.submitted", *["task.rerun"] * RUNS]
