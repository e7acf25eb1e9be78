"""What agents can answer, and that none of it harms the batch it comes in."""

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.agents.registry import Registry
from steersman.errors import AgentError
from tests.fixtures.engine import Rig, stage

ONCE = {"max_attempts": 1}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "result",
    [
        StageResult(output={"text": "a\0b"}),
        StageResult(output={"te\0xt": 1}),
        StageResult(output={}, model="m\0"),
        StageResult(output={"n": 10**30}),
        StageResult(output={"deep": nested(150)}),
        StageResult(output={"deep": nested(300)}),
        StageResult(output={"text": "x" * 5_000_000}),
        StageResult(output={}, model="m" * 1000),
        StageResult(output={"odd": object()}),
        StageResult(output={"half": "\ud800"}),
        StageResult(output={}, cost_usd=Decimal("NaN")),
        StageResult(output={}, cost_usd=Decimal(-1)),
        StageResult(output={}, cost_usd=Decimal(10**9)),
        StageResult(output={}, tokens=-1),
        StageResult(output={}, tokens=2**64),
        StageResult(output={}, quality=1.01),
        StageResult(output={}, quality=float("nan")),
    ],
)
def test_a_result_that_cannot_be_kept_fails_its_own_stage_only(rig: Rig, result: StageResult) -> None:
    """What Postgres or JSON cannot hold, or no honest agent says, is an invalid result; its batch goes on."""
    rig.behaviours["bad"] = lambda job: result
    (bad,) = rig.submit(rig.publish([stage("bad", retry=ONCE)]))
    (good,) = rig.submit(rig.publish([stage("good")], name="other"))
    messages = rig.sqs.take_all()
    assert len(messages) == 2
    rig.engine.run(messages)
    assert rig.task(bad)["error"]["code"] == "invalid_result"
    assert rig.task(good)["status"] == "completed"


def test_a_condition_that_cannot_be_applied_fails_its_own_stage_only(rig: Rig) -> None:
    """`when` on a value that it does not fit fails that stage, at once and by its code; its batch goes on."""
    (bad,) = rig.submit(rig.publish([stage("bad", when="length(input.missing) > `1`")]))
    (good,) = rig.submit(rig.publish([stage("good")], name="other"))
    rig.engine.run(rig.sqs.take_all())
    assert rig.task(bad)["error"]["code"] == "expression_failed"
    assert rig.task(good)["status"] == "completed"


def test_what_a_stage_is_given_is_held_to_its_schema(rig: Rig) -> None:
    """Input and results that break a stage's input_schema fail it without a call and without a retry."""
    schema = {"properties": {"input": {"required": ["budget"]}}}
    (task_id,) = rig.submit(rig.publish([stage("a", input_schema=schema)]))
    rig.drain()
    error = rig.task(task_id)["error"]
    assert (error["code"], error["faults"][0]["field"]) == ("invalid_result", "job.input")
    assert rig.agent.jobs == []


@pytest.mark.parametrize("count", [0, 2])
def test_an_agent_must_answer_every_job(rig: Rig, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that gives more or fewer results than it has jobs fails all of them: nobody can tell whose they are."""
    monkeypatch.setattr(rig.agent, "run", lambda jobs: [StageResult(output={})] * count)
    (task_id,) = rig.submit(rig.publish([stage("a", retry=ONCE)]))
    rig.drain()
    assert rig.task(task_id)["error"]["code"] == "invalid_result"


def test_an_agent_that_cannot_be_connected_is_no_agent(rig: Rig) -> None:
    """An endpoint that cannot be used fails the stage with no_agent, naming the agent."""

    def connect(candidate: Any) -> Any:
        raise ValueError(candidate.endpoint)

    rig.engine._runner._registry = Registry(rig.database, connect)
    (task_id,) = rig.submit(rig.publish([stage("a", retry=ONCE)]))
    rig.drain()
    assert rig.task(task_id)["error"]["code"] == "no_agent"
    assert "worker" in rig.task(task_id)["error"]["message"]


class Slow:
    """An agent that answers when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        self.calls += 1
        self.go.wait(30)
        return [StageResult(output={}) for _ in jobs]


def test_slow_agents_time_out_side_by_side(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that hang cost a batch the longest of their times, not the sum."""
    slow = Slow()
    waited: list[float] = []
    monkeypatch.setattr("steersman.tasks.attempts._await", _noting(waited))
    for number in range(4):
        rig.register(f"test.do{number}", f"slow-{number}")
    rig.engine._runner._registry = Registry(rig.database, lambda _: slow)
    stages = [
        stage(f"s{n}", capability=f"test.do{n}", timeout_s=0.3, retry=ONCE, on_error="skip") for n in range(4)
    ]
    (task_id,) = rig.submit(rig.publish(stages, output="s0"))
    rig.drain()
    slow.go.set()
    assert set(rig.statuses(task_id).values()) == {"skipped"}
    assert slow.calls == 4
    assert max(waited) - min(waited) < 0.2, "each call has its own time from its own start"


def _noting(waited: list[float]) -> Callable[..., Any]:
    from steersman.tasks import attempts

    real = attempts._await

    def note(calls: Any, while_running: Any) -> Any:
        waited.extend(call.until for call in calls)
        return real(calls, while_running)

    return note


def test_a_large_batch_has_time_for_its_waves(rig: Rig) -> None:
    """Jobs beyond what is called in parallel are not timed out for having to wait their turn."""
    from steersman.tasks.attempts import MAX_PARALLEL_AGENTS, _allowed_s
    from steersman.tasks.template import MAX_STAGE_TIMEOUT_S

    rig.submit(rig.publish([stage("a", timeout_s=5)]), count=1)
    attempts = rig.engine._claim(rig.engine._unpack(rig.sqs.take_all(), _report())[1], _report()).attempts
    assert _allowed_s(attempts * MAX_PARALLEL_AGENTS) == 5
    assert _allowed_s(attempts * (MAX_PARALLEL_AGENTS + 1)) == 10
    assert _allowed_s(attempts * 10_000) == MAX_STAGE_TIMEOUT_S


def _report() -> Any:
    from steersman.tasks.engine import Report

    return Report()


def test_work_is_spread_over_equal_agents(rig: Rig) -> None:
    """A batch is shared between the agents that can do it, and a retry goes to another than the one that failed."""
    rig.register("test.do", "second")
    agents: list[str] = []
    rig.engine._runner._registry = Registry(rig.database, lambda candidate: _Named(candidate.name, agents))
    (task_id,) = rig.submit(rig.publish([stage("a", retry={"max_attempts": 2, "backoff_s": 0.01})]))
    rig.submit(rig.publish([stage("b")], name="many"), count=10)
    rig.drain()
    assert {agents.count("b:worker"), agents.count("b:second")} == {5}
    assert {one for one in agents if one.startswith("a:")} == {"a:worker", "a:second"}
    assert rig.task(task_id)["status"] == "failed"


class _Named:
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name = name
        self.calls = calls

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        self.calls += [f"{job.stage}:{self.name}" for job in jobs]
        return [AgentError("no") if job.stage == "a" else StageResult(output={}) for job in jobs]


def test_performance_is_measured_by_agent(rig: Rig) -> None:
    """Calls, failures, cost, tokens and quality of each agent and capability are summed up."""
    rig.behaviours["a"] = lambda job: StageResult(output={}, cost_usd=Decimal("0.25"), tokens=3, quality=0.5)
    rig.behaviours["b"] = lambda job: AgentError("no")
    rig.submit(rig.publish([stage("a"), stage("b", retry=ONCE, on_error="skip")], output="a"))
    rig.drain()
    (row,) = rig.database.run("SELECT * FROM agent_performance")
    assert (row["calls"], row["failures"], row["tokens"]) == (2, 1, 3)
    assert (row["cost_usd"], row["quality_sum"], row["quality_count"]) == (Decimal("0.25"), 0.5, 1)


def test_the_run_time_role_may_do_all_of_it(rig: Rig, app_database: Any) -> None:
    """Claim and complete work with the rights of the functions' role."""
    rig.behaviours["b"] = lambda job: AgentError("no") if job.attempt == 1 else StageResult(output={})
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    engine = rig.new_engine(app_database)
    while rig.step(engine=engine):
        pass
    assert rig.task(task_id)["status"] == "completed"
