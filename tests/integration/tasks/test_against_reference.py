"""The engine on SQL and the reference model, side by side on random DAGs."""

import random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steersman.agents.job import StageJob, StageResult
from steersman.aws.queues import unpack
from steersman.errors import AgentError
from steersman.tasks.engine import Message
from tests.fixtures.engine import Rig
from tests.unit.tasks.reference import ReferenceTask, Script, error_of, output_of, scripts


def behave(script: Script, job: StageJob) -> StageResult | AgentError:
    answer = script.answer(job.stage, job.attempt)
    return StageResult(output=output_of(job.stage, answer)) if answer in {"go", "stay"} else error_of(answer)


def observed(rig: Rig, task_id: Any) -> tuple[Any, ...]:
    task = rig.task(task_id)
    stages = {stage["name"]: (stage["status"], stage["attempt"], stage["pending_needs"]) for stage in task["stages"]}
    return task["status"], task["output"], stages


def expected(task: ReferenceTask) -> tuple[Any, ...]:
    stages = {
        name: (str(status), task.attempts[name], task.pending[name]) for name, status in task.stages.items()
    }
    return str(task.status), task.output, stages


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink on a database takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(scripts(), st.integers(0, 2**16), st.integers(1, 4))
def test_sql_and_reference_agree_at_every_step(rig: Rig, script: Script, seed: int, batch: int) -> None:
    """On any DAG, with any outcomes, in any order, with duplicates: after every batch both have the same state."""
    rng = random.Random(seed)
    rig.sqs.queues.clear()
    rig.agent.jobs.clear()
    for name in script.answers:
        rig.behaviours[name] = lambda job: behave(script, job)
    plan = rig.publish(script.document["stages"], output=script.document["output"])
    (task_id,) = rig.submit(plan)
    reference = ReferenceTask(script, plan)
    waiting, old = rig.sqs.take_all(), list[Message]()
    while waiting:
        rng.shuffle(waiting)
        chosen = [waiting.pop() for _ in range(min(batch, len(waiting)))]
        if not reference.status.final:
            reference.run([job.stage for message in chosen for job in unpack(message.body)])
        rig.engine.run(chosen)
        assert observed(rig, task_id) == expected(reference)
        waiting += rig.sqs.take_all()
        old += chosen
        rig.engine.run([rng.choice(old)])  # delivered again, long after: changes nothing
        assert observed(rig, task_id) == expected(reference)
        assert len(rig.sqs.take_all()) <= len(reference.ready()), "only what is ready may be sent once more"
    assert reference.status.final
    ran = [(job.stage, job.attempt) for job in rig.agent.jobs]
    assert len(set(ran)) == len(ran)
    assert set(ran) <= set(reference.started)
