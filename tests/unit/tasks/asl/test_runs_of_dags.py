"""Random DAGs, compiled and run on a virtual clock: what the state machine does is what the planner would do."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.tasks.asl.compile import Compiled
from steersman.tasks.words import StageStatus, TaskStatus
from tests.unit.tasks.asl.runs import compiled, run
from tests.unit.tasks.asl.workers import Workers
from tests.unit.tasks.carrier import Answer
from tests.unit.tasks.dags import Dag, dags
from tests.unit.tasks.reference import ReferenceTask, Script, scripts

LARGEST_DAG = 30


def timed(seed: int) -> "dict[str, float]":
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    return {f"s{number}": float(rng.randint(1, 50)) for number in range(LARGEST_DAG)}


def workers_of(script: Script, seed: int) -> Workers:
    seconds = timed(seed)
    return Workers(script.plan(), script.answer, lambda stage, _move, _number: seconds[stage])


@settings(deadline=None)
@given(scripts(), st.integers(0, 2**32))
def test_a_state_machine_ends_a_task_as_the_queue_does(script: Script, seed: int) -> None:
    """Whatever agents answer, a task ends alike with both orchestrators: its status, its stages, their attempts."""
    workers = workers_of(script, seed)
    _, error = run(workers)
    reference = ReferenceTask(script, script.plan())
    while ready := reference.ready():
        reference.run(ready)
    assert (error is None) == (reference.status is TaskStatus.COMPLETED)
    if error is None:
        assert workers.status == reference.stages
        assert workers.results == reference.results
        done = {name: reference.attempts[name] for name in workers.attempts}
        assert dict(workers.attempts) == done


@settings(deadline=None)
@given(dags(LARGEST_DAG), st.integers(0, 2**32))
def test_every_stage_starts_as_soon_as_it_may(dag: Dag, seed: int) -> None:
    """A stage starts in the moment in which the last stage that it waits for ends: its needs, and what was added."""
    answers: dict[str, Answer] = {
        node.name: "go" if number % 3 else "stay" for number, node in enumerate(dag.nodes)
    }
    script = Script(dag.document(), {name: [answer] for name, answer in answers.items()})
    workers = workers_of(script, seed)
    workers.input = dag.input
    _, error = run(workers)
    if error is not None:
        assert any(status is StageStatus.FAILED for status in workers.status.values())
        return
    waits_for = before(script, compiled(workers.plan))
    for name, began in workers.began.items():
        assert began == max((workers.ended[other] for other in waits_for[name]), default=0.0)


def before(script: Script, made: Compiled) -> dict[str, set[str]]:
    """Return all that each stage waits for: its needs, what the compiler says that it waits for also, and theirs.

    One that is skipped has ended when its needs have, and yet has its place after the joins that were added to it.
    """
    direct = {stage.name: set(stage.needs) for stage in script.plan().template.stages}
    for join in made.joins:
        direct[join.stage] |= set(join.waits_also_for)
    found: dict[str, set[str]] = {}

    def close(name: str) -> set[str]:
        if name not in found:
            found[name] = direct[name].union(*(close(other) for other in direct[name]))
        return found[name]

    return {name: close(name) for name in direct}
