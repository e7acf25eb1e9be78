"""Journals keep what was written, whatever killed the writer, and executions are read out of them."""

from pathlib import Path
from uuid import UUID

import pytest

from bench.chaos.behaviour import WitnessAgent, behaviour, question
from bench.chaos.journal import Journal, read
from bench.chaos.loader import executions
from bench.chaos.run_folder import Run
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError

TASK = UUID(int=5)
SEED = 11


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(
        folder=tmp_path,
        seed=SEED,
        tasks=1,
        storm_s=1.0,
        began=0.0,
        began_at=0.0,
        database_url="",
        redis_url="",
        sqs_url="",
    )


def job(number: int, task_id: UUID = TASK) -> StageJob:
    return StageJob(
        task_id=task_id,
        project_id=TASK,
        stage="intent",
        capability="any",
        attempt=1,
        timeout_s=1.0,
        correlation_id="",
        input={"question": question(SEED, number)},
    )


def number_that(answer: str) -> int:
    """Return the number of a task whose agents give this answer to the first attempt at `intent`."""
    return next(number for number in range(10_000) if behaviour(SEED, number, "intent", 1).answer == answer)


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    """What a kill cut off in the middle is not read; what comes before and after is."""
    path = tmp_path / "journal"
    Journal(path).write({"a": 1}, {"b": 2})
    with path.open("ab") as file:
        file.write(b'{"c": [1, 2\n')
    Journal(path).write({"d": 4})
    assert list(read(path)) == [{"a": 1}, {"b": 2}, {"d": 4}]
    assert list(read(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("answer", "kind"), [("ok", StageResult), ("error", AgentError), ("refused", AgentError)]
)
def test_an_agent_does_and_writes_down_what_the_seed_says(run: Run, answer: str, kind: type) -> None:
    """An agent's answer is the seed's, and its journal gives it back as one execution with output and cost."""
    agent = WitnessAgent(SEED, "worker", "answer", Journal(run.journal("agents-worker")))
    (given,) = agent.run([job(number_that(answer))])
    assert isinstance(given, kind)
    (ran,) = executions(run)[TASK]
    assert (ran.stage, ran.attempt, ran.answer) == ("intent", 1, answer)
    if isinstance(given, StageResult):
        assert (ran.output, ran.cost_usd, ran.tokens) == (given.output, given.cost_usd, given.tokens)


def test_an_accident_of_one_job_is_the_answer_to_all_of_its_batch(run: Run) -> None:
    """An agent that raises answers none of its jobs, and says so of each."""
    agent = WitnessAgent(SEED, "worker", "answer", Journal(run.journal("agents-worker")))
    with pytest.raises(RuntimeError):
        agent.run([job(number_that("ok")), job(number_that("raised"), UUID(int=6))])
    assert [ran.answer for task_id in (TASK, UUID(int=6)) for ran in executions(run)[task_id]] == [
        "raised"
    ] * 2


def test_an_agent_that_died_has_no_answer_and_one_that_ran_twice_is_seen_twice(run: Run) -> None:
    """A beginning without an answer is an execution without one; two beginnings are two executions."""
    begun = {
        "task_id": str(TASK),
        "stage": "intent",
        "attempt": 1,
        "process": "worker",
        "agent": "answer",
        "at": 1.0,
    }
    Journal(run.journal("agents-one")).write(begun)
    Journal(run.journal("agents-two")).write(begun, {**begun, "answer": "error"})
    assert sorted(str(ran.answer) for ran in executions(run)[TASK]) == ["None", "error"]
