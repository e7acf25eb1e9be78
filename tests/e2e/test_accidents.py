"""Killed processes. By its name this file runs first: what the killed ones leave behind takes minutes to mend,

for a lease outlives its worker, and the other tests run meanwhile. `test_recovery` then looks at the tasks.
"""

import pytest

from tests.e2e.agent import HeldAgent
from tests.e2e.local_cloud import Steersman, until


@pytest.fixture
def held(steersman: Steersman, agent: HeldAgent, request: pytest.FixtureRequest) -> str:
    """A task whose first stage is in the hands of the agent; its name is the test's."""
    task_id = steersman.submit("held_work", {"hold": request.node.name})
    agent.arrived(task_id)
    return task_id


def test_a_killed_worker_leaves_its_task_open(
    steersman: Steersman, agent: HeldAgent, held: str, accidents: dict[str, str]
) -> None:
    """When the process of a Lambda function dies in the middle of a stage, its task stays open."""
    (worker,) = steersman.workers("stage-agent")
    worker.kill()
    worker.wait(20)
    assert steersman.task(held)["status"] == "running"
    accidents["worker"] = held


def test_a_killed_cache_is_repaired(
    steersman: Steersman, agent: HeldAgent, held: str, request: pytest.FixtureRequest
) -> None:
    """Without Redis the API still tells of a task; `up` starts Redis again, and the task completes."""
    steersman.kill("cache")
    assert {part["part"]: part["state"] for part in steersman.json("status")}["cache"] == "crashed"
    assert steersman.task(held)["status"] == "running"
    assert [event["type"] for event in steersman.events(held)["events"]]
    steersman.up()
    agent.let_go(request.node.name)
    assert steersman.ended(held)["status"] == "completed"


def test_an_emptied_cache_loses_nothing(
    steersman: Steersman, agent: HeldAgent, held: str, request: pytest.FixtureRequest
) -> None:
    """When Redis is emptied in the middle of a task, the task completes and its events are all there again."""
    before = steersman.events(held)["events"]
    steersman.flush_cache()
    agent.let_go(request.node.name)
    assert steersman.ended(held)["status"] == "completed"
    events = steersman.all_events(held)
    assert [event["id"] for event in events[: len(before)]] == [event["id"] for event in before]
    assert events[-1]["type"] == "steersman.task.completed.v1"
    assert len({event["id"] for event in events}) == len(events)


def test_a_killed_emulator_is_repaired(
    steersman: Steersman,
    agent: HeldAgent,
    held: str,
    accidents: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    """When everything that stands for AWS is killed, `up` brings back functions, queues and the same API."""
    before = steersman.http.base_url
    steersman.kill("cloud")
    agent.let_go(request.node.name)
    steersman.up()
    assert steersman.http.base_url == before
    assert steersman.task(held)["id"] == held
    accidents["emulator"] = held


def test_a_killed_database_is_repaired(
    steersman: Steersman,
    agent: HeldAgent,
    held: str,
    accidents: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    """Without PostgreSQL the API asks to try again later; `up` starts it again and the task is still known."""
    steersman.kill("database")
    refused = steersman.http.post("/v1/tasks", json={"input": {"question": "Is anybody there?"}})
    assert refused.status_code == 503
    assert refused.json()["retryable"] is True
    assert int(refused.headers["retry-after"]) >= 1
    steersman.up()
    until(lambda: steersman.http.get("/v1/health").status_code == 200, "the API is well again")
    assert steersman.task(held)["status"] == "running"
    agent.let_go(request.node.name)
    accidents["database"] = held


def test_questions_are_answered_again(steersman: Steersman) -> None:
    """After all that, a question is answered as before."""
    assert "100 metres" in steersman.ask("How tall was the lighthouse of Pharos?")["output"]["answer"]
