"""The engine on SQL and the reference model, side by side on random DAGs."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steersman.agents.job import StageJob, StageResult
from steersman.aws.queues import unpack
from steersman.db.connection import Database
from steersman.errors import AgentError
from steersman.tasks.engine import Message
from tests.fixtures.engine import Rig
from tests.unit.tasks.reference import ReferenceTask, Script, error_of, output_of, scripts


def behave(script: Script, job: StageJob) -> StageResult | AgentError:
    answer = script.answer(job.stage, job.attempt)
    return StageResult(output=output_of(job.stage, answer)) if answer in {"go", "stay"} else error_of(answer)


def observed(rig: Rig, task_id: Any) -> tuple[Any, ...]:
    task = rig.task(task_id)
    stages = {
        stage["name"]: (stage["status"], stage["attempt"], stage["pending_needs"]) for stage in task["stages"]
    }
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
    rng = random.Random(seed)  # noqa: S311 - the order of work
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


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(scripts(), min_size=6, max_size=12))
def test_parallel_workers_end_every_task(rig: Rig, database_url: str, drawn: list[Script]) -> None:
    """Workers side by side, with failures, retries and duplicates: each task ends whole, no attempt runs twice."""
    rig.sqs.queues.clear()
    rig.agent.jobs.clear()
    by_task: dict[Any, Script] = {}
    for name in {name for script in drawn for name in script.answers}:
        rig.behaviours[name] = lambda job: behave(by_task[job.task_id], job)
    for number, script in enumerate(drawn):
        plan = rig.publish(
            script.document["stages"], output=script.document["output"], name=f"drawn_{number}"
        )
        by_task |= dict.fromkeys(rig.submit(plan, count=3), script)
    idle, in_hand = threading.Condition(), [0]

    def take() -> list[Message]:
        """Return messages; none when nothing waits and nobody works on what could bring more."""
        with idle:
            while not (messages := rig.sqs.take(3)) and in_hand[0]:
                idle.wait(60)
            in_hand[0] += bool(messages)
            return messages

    def work() -> None:
        own = Database(database_url)
        engine = rig.new_engine(own)
        while messages := take():
            try:
                engine.run(messages)
                engine.run(messages[:1])
            finally:
                with idle:
                    in_hand[0] -= 1
                    idle.notify_all()
        own.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for _ in range(4)]:
            done.result(120)
    ran = [(job.task_id, job.stage, job.attempt) for job in rig.agent.jobs]
    assert len(set(ran)) == len(ran)
    for task_id in by_task:
        status, _, stages = observed(rig, task_id)
        ends = {stage_status for stage_status, _, _ in stages.values()}
        assert status == ("completed" if ends <= {"completed", "skipped"} else "failed")
        assert ends <= {"completed", "skipped", "failed", "cancelled"}
        assert sum(event in {"task.completed", "task.failed"} for event in rig.events(task_id)) == 1
