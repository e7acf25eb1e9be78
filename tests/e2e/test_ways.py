"""Every way of a task in the local cloud, on queues and on Step Functions: both must pass every line of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from steersman.tasks.words import Orchestrator
from tests.e2e.agent import CAPABILITY, HeldAgent
from tests.e2e.local_cloud import Steersman, until
from tests.e2e.orchestrated import Ways

ECHO = {"queue": "agent", "capability": "echo"}
NOBODY = {"queue": "executor", "capability": "no.such", "retry": {"max_attempts": 1}}
WORK = {"queue": "agent", "capability": CAPABILITY}
ONCE = {"retry": {"max_attempts": 1}}
APPROVAL = {"kind": "approval"}


@pytest.fixture(params=list(Orchestrator))
def ways(request: pytest.FixtureRequest, steersman: Steersman, agent: HeldAgent) -> Ways:
    """Each test runs on both orchestrators."""
    return Ways(steersman, request.param)


@pytest.fixture
def unlimited(steersman: Steersman) -> Iterator[None]:
    """The limits of the project are as they were."""
    yield
    steersman.http.put("/v1/projects/default/limits", json={"max_running_stages": None}).raise_for_status()


def test_a_failed_attempt_is_tried_again_by_its_policy(ways: Ways) -> None:
    """A stage that fails is `retrying`, with the reason and the time of the next attempt, until it succeeds."""
    ways.publish("retry", [{"name": "work", **WORK, "retry": {"max_attempts": 3, "backoff_s": 1}}])
    task_id = ways.submit("retry", {"fail": {"work": 2}})
    seen = until(lambda: retrying(ways, task_id), "it waits for its next attempt")
    assert seen["stages"][0]["error"]["code"] == "agent_error"
    assert seen["stages"][0]["next_attempt_at"]
    task = ways.ended(task_id)
    assert (task["status"], task["stages"][0]["attempt"]) == ("completed", 3)


def retrying(ways: Ways, task_id: str) -> dict[str, Any] | None:
    """Return a task while it waits for an attempt."""
    task = ways.steersman.task(task_id)
    return task if task["status"] == "retrying" else None


def test_a_condition_skips_a_stage_and_what_follows_goes_on(ways: Ways) -> None:
    """A stage whose `when` says no is skipped, and what needs it runs all the same."""
    stages = [
        {"name": "a", **ECHO},
        {"name": "b", **ECHO, "needs": ["a"], "when": "input.wanted"},
        {"name": "c", **ECHO, "needs": ["b"]},
        {"name": "d", **ECHO, "when": "input.wanted"},
        {"name": "e", **ECHO, "needs": ["c", "d"]},
    ]
    ways.publish("when", stages, output="e")
    for wanted, status in ((False, "skipped"), (True, "completed")):
        task = ways.run("when", {"wanted": wanted})
        assert task["status"] == "completed"
        assert {stage["name"]: stage["status"] for stage in task["stages"]} == {
            **dict.fromkeys("ace", "completed"),
            **dict.fromkeys("bd", status),
        }


def test_a_batch_is_done_item_by_item_and_joined(ways: Ways) -> None:
    """Each item of a list is a task of its own, and the join has what all of them came to, in order."""
    ways.publish("batch", [{"name": "each", **ECHO, "for_each": {"items": "input.list", "concurrency": 5}}])
    task = ways.run("batch", {"list": list(range(25))})
    assert task["status"] == "completed"
    assert [item["item"] for item in task["output"]["items"]] == list(range(25))
    started = ways.http.get(f"/v1/tasks/{task['id']}/stages/each/tasks", params={"limit": 10}).json()
    assert [one["item"] for one in started["tasks"]] == list(range(10))
    listed = ways.http.get("/v1/tasks", params={"template": ways.name("batch")}).json()["tasks"]
    assert [one["id"] for one in listed] == [task["id"]], "items stay out of the list of tasks"


@pytest.mark.parametrize("mode", ["inline", "distributed"])
@pytest.mark.parametrize(
    ("policy", "failing", "status"),
    [({}, 1, "failed"), ({"tolerate": 2}, 2, "completed"), ({"at_least": 3}, 3, "failed")],
)
def test_a_batch_ends_by_its_policy(
    ways: Ways, mode: str, policy: dict[str, Any], failing: int, status: str
) -> None:
    """All items must complete, or all but so many, or so many: else the stage fails, and its task."""
    name = "_".join(["policy", mode, *policy])
    room = {"max_items": 10} if mode == "inline" else {}
    each = {
        "name": "each",
        **WORK,
        **ONCE,
        "for_each": {"items": "input.list", "input": "item", **room, **policy},
    }
    ways.publish(name, [each])
    items = [{"fail": {"each": int(number < failing)}} for number in range(5)]
    task = ways.run(name, {"list": items})
    assert task["status"] == status, task["error"]
    if status == "completed":
        assert (task["output"]["completed"], task["output"]["failed"]) == (5 - failing, failing)


def test_a_task_waits_for_approval_and_for_its_time(ways: Ways) -> None:
    """A nested task asks a person and waits a moment; the task that started it goes on with its answer."""
    ask = {"name": "ask", **APPROVAL, "approval": {"ask": "Shall it go out?"}}
    pause = {"name": "pause", "kind": "wait", "needs": ["ask"], "wait": {"for_s": 1}}
    inner = ways.publish("inner", [ask, pause, {"name": "say", **ECHO, "needs": ["pause"]}])
    ways.publish("outer", [{"name": "inner", "kind": "task", "task": {"template": inner}}])
    task_id = ways.submit("outer", {"draft": "x"})
    until(lambda: ways.steersman.json("approvals", "list")["approvals"], "somebody is asked")
    (asked,) = ways.steersman.json("approvals", "list")["approvals"]
    assert asked["ask"] == "Shall it go out?"
    ways.steersman.run("approvals", "answer", asked["task_id"], "ask", "--yes", "--comment", "well done")
    task = ways.ended(task_id)
    assert (task["status"], task["output"]) == ("completed", {"draft": "x"})
    assert ways.ended(asked["task_id"])["status"] == "completed"


def test_nobody_answers(ways: Ways) -> None:
    """What nobody answers in time is escalated, and then has its default answer, or fails."""
    approval = {"ask": "Pay?", "timeout_s": 1, "escalate_to": ["chief"], "escalate_timeout_s": 1}
    for name, default in (("default", {"default": {"amount": 0}}), ("none", {})):
        ways.publish(f"unanswered_{name}", [{"name": "pay", **APPROVAL, "approval": {**approval, **default}}])
        task = ways.run(f"unanswered_{name}", {})
        if default:
            assert (task["status"], task["output"]["answer"]) == ("completed", {"amount": 0})
        else:
            assert (task["status"], task["error"]["code"]) == ("failed", "not_answered")


def test_who_may_not_answer_is_refused(ways: Ways) -> None:
    """An approval by one who may not is refused by name, and the stage goes on waiting; cancelling ends it."""
    approval = {"ask": "Pay?", "by": ["arn:aws:sts::*:assumed-role/Treasurers/*"]}
    ways.publish("pay", [{"name": "pay", **APPROVAL, "approval": approval}])
    task_id = ways.submit("pay", {})
    ways.waiting(task_id, "pay")
    answer = ways.http.post(f"/v1/tasks/{task_id}/stages/pay/answer", json={"approved": True})
    assert answer.status_code == 403
    assert "Treasurers" in answer.json()["detail"]
    ways.steersman.run("tasks", "cancel", task_id)
    assert ways.ended(task_id)["status"] == "cancelled"


def test_a_saga_undoes_itself(ways: Ways) -> None:
    """When a stage fails, what was done before it is undone, the last first, and then the task has failed."""
    stages: list[dict[str, Any]] = [
        {"name": "hotel", **ECHO, "undo": "cancel_hotel"},
        {"name": "flight", **ECHO, "needs": ["hotel"], "undo": "cancel_flight"},
        {"name": "car", **NOBODY, "needs": ["flight"]},
        {"name": "cancel_hotel", **ECHO},
        {"name": "cancel_flight", **ECHO},
    ]
    ways.publish("saga", stages, output="car")
    task = ways.run("saga", {})
    assert (task["status"], task["error"]["stage"]) == ("failed", "car")
    undone = {stage["name"]: stage["finished_at"] for stage in task["stages"] if stage["undoes"]}
    assert undone["cancel_flight"] < undone["cancel_hotel"]


@pytest.mark.parametrize("scope", ["template", "queue"])
def test_what_is_paused_stands_still(ways: Ways, scope: str) -> None:
    """Nothing of a paused template, or on a paused queue, begins until it is resumed; then it goes on by itself."""
    name = ways.publish(f"still_{scope}", [{"name": "a", **ECHO}, {"name": "b", **ECHO, "needs": ["a"]}])
    ways.steersman.run("pauses", "add", scope, name if scope == "template" else "agent")
    try:
        # For some seconds workers may not know of it.
        held = until(lambda: held_task(ways, f"still_{scope}"), "a task is held")
    finally:
        ways.steersman.run("pauses", "end", scope, name if scope == "template" else "agent")
    assert ways.ended(held)["status"] == "completed"


def held_task(ways: Ways, template: str) -> str | None:
    """Submit a task; return its id unless it is done within a second."""
    task_id = ways.submit(template, {})
    task = ways.http.get(f"/v1/tasks/{task_id}", params={"wait_s": 1}).json()
    return None if task["status"] == "completed" else task_id


def test_a_paused_task_stands_still(ways: Ways, agent: HeldAgent) -> None:
    """What runs when its task is paused ends; what follows begins when it is resumed."""
    ways.publish("hold", [{"name": "work", **WORK}, {"name": "follow", **WORK, "needs": ["work"]}])
    name = ways.name("paused")
    task_id = ways.submit("hold", {"hold": name})
    agent.arrived(task_id)
    ways.http.post(f"/v1/tasks/{task_id}/pause", json={}).raise_for_status()
    agent.let_go(name)
    ways.waiting(task_id, "work", "completed")
    assert agent.of(task_id) == [("work", 1)]
    ways.http.post(f"/v1/tasks/{task_id}/resume", json={}).raise_for_status()
    assert ways.ended(task_id)["status"] == "completed"
    assert agent.of(task_id) == [("work", 1), ("follow", 1)]


def test_a_cancelled_task_stops_at_once(ways: Ways, agent: HeldAgent) -> None:
    """Cancelling ends the task while its agent works; nothing follows, whatever the agent answers."""
    ways.publish("hold", [{"name": "work", **WORK}, {"name": "follow", **WORK, "needs": ["work"]}])
    name = ways.name("cancelled")
    task_id = ways.submit("hold", {"hold": name})
    agent.arrived(task_id)
    ways.steersman.run("tasks", "cancel", task_id)
    task = ways.ended(task_id)
    agent.let_go(name)
    assert {stage["status"] for stage in task["stages"]} == {"cancelled"}
    assert agent.of(task_id) == [("work", 1)]


def test_a_deadline_ends_a_task(ways: Ways) -> None:
    """A task that takes longer than it may has failed after the next sweep, and nothing of it goes on."""
    ways.publish("late", [{"name": "ask", **APPROVAL, "approval": {"ask": "When?"}}])
    task_id = ways.submit("late", {}, constraints={"deadline_s": 4})
    ways.waiting(task_id, "ask")

    def swept() -> bool:
        ways.steersman.sweep()
        return bool(ways.steersman.task(task_id)["status"] == "failed")

    until(swept, "a sweep ends it")
    assert ways.ended(task_id)["error"]["code"] == "deadline_passed"


def test_a_spent_budget_waits_and_can_be_raised(ways: Ways) -> None:
    """A task whose budget is spent starts no further stage, says so, and goes on when it is raised."""
    ways.publish("budget", [{"name": "a", **WORK}, {"name": "b", **WORK, "needs": ["a"]}])
    task_id = ways.submit("budget", {"cost_usd": 0.5}, constraints={"budget_usd": 0.4})
    task = ways.waiting(task_id, "b")
    assert (task["status"], task["stages"][1]["error"]["code"]) == ("awaiting", "budget_spent")
    more = ways.http.patch(f"/v1/tasks/{task_id}", json={"constraints": {"budget_usd": 2}})
    assert more.status_code == 200, more.text
    assert ways.ended(task_id)["status"] == "completed"


def test_a_limit_lets_one_run_at_a_time(ways: Ways, unlimited: None) -> None:
    """Stages for which a project's limit leaves no place wait for one; all are done in the end."""
    ways.publish("limited", [{"name": "a", **WORK}, {"name": "b", **WORK, "needs": ["a"]}])
    ways.http.put("/v1/projects/default/limits", json={"max_running_stages": 1}).raise_for_status()
    tasks = [ways.submit("limited", {}) for _ in range(4)]

    def swept() -> bool:
        ways.steersman.sweep()
        return all(ways.steersman.task(task_id)["status"] == "completed" for task_id in tasks)

    # Workers know of a limit that was just changed up to 10 s later; what that leaves waiting the sweep sends.
    until(swept, "all are done", limit_s=120)
    assert {ways.ended(task_id)["status"] for task_id in tasks} == {"completed"}


def test_a_dead_letter_is_redriven(ways: Ways) -> None:
    """A task that failed is among the dead letters, and goes on where it failed when somebody redrives it."""
    stages = [{"name": "first", **WORK}, {"name": "second", **WORK, **ONCE, "needs": ["first"]}]
    name = ways.publish("dead", stages)
    task = ways.run("dead", {"fail": {"second": 1}})
    assert task["status"] == "failed"
    found = ways.http.get("/v1/dead-letters", params={"template": name}).json()["dead_letters"]
    (letter,) = found
    assert (letter["task_id"], letter["stage"], letter["error"]["code"]) == (
        task["id"],
        "second",
        "agent_error",
    )
    preview = ways.http.post("/v1/dead-letters/redrive", json={"template": name}).json()
    assert (preview["preview"], preview["letters"]) == (True, 1)
    redriven = ways.http.post(f"/v1/dead-letters/{letter['id']}/redrive", json={})
    assert redriven.status_code in {200, 202}, redriven.text
    again = ways.ended(task["id"], run=2)
    assert (again["status"], again["stages"][0]["attempt"], again["stages"][1]["attempt"]) == (
        "completed",
        1,
        2,
    )
    entries = ways.http.get("/v1/audit", params={"target": f"task/{task['id']}"}).json()["entries"]
    assert "task.redriven" in {entry["action"] for entry in entries}


def test_a_task_runs_again_from_a_stage_and_is_cloned(ways: Ways) -> None:
    """A rerun keeps the results before the stage that it begins with; a clone is a task of its own."""
    stages = [
        {"name": name, **WORK, "needs": needs} for name, needs in (("a", []), ("b", ["a"]), ("c", ["b"]))
    ]
    ways.publish("again", stages)
    task_id = ways.run("again", {"n": 1})["id"]
    ways.http.post(f"/v1/tasks/{task_id}/rerun", json={"from": ["b"]}).raise_for_status()
    task = ways.ended(task_id, run=2)
    assert (task["status"], [stage["attempt"] for stage in task["stages"]]) == ("completed", [1, 2, 2])
    cloned = ways.http.post(f"/v1/tasks/{task_id}/clone", json={"input": {"n": 2}})
    cloned.raise_for_status()
    copy = ways.ended(cloned.json()["id"])
    assert (copy["status"], copy["input"]) == ("completed", {"n": 2})


def test_large_values_pass(ways: Ways) -> None:
    """A value of more than a message holds goes through all stages, unseen by any orchestrator."""
    ways.publish("large", [{"name": "a", **ECHO}, {"name": "b", **ECHO, "needs": ["a"]}])
    text = "x" * 300_000
    task = ways.run("large", {"text": text})
    assert (task["status"], task["output"]) == ("completed", {"text": text})


def test_a_task_stays_on_its_version(ways: Ways) -> None:
    """A task that is open when the next version is published ends by its own."""
    ask = {"name": "ask", **APPROVAL, "approval": {"ask": "Go?"}}
    ways.publish("version", [ask, {"name": "a", **ECHO, "needs": ["ask"]}], output="a")
    task_id = ways.submit("version", {"n": 1})
    ways.waiting(task_id, "ask")
    ways.publish("version", [{"name": "other", **ECHO}])
    ways.http.post(f"/v1/tasks/{task_id}/stages/ask/answer", json={"approved": True}).raise_for_status()
    task = ways.ended(task_id)
    assert (task["status"], [stage["name"] for stage in task["stages"]]) == ("completed", ["ask", "a"])
    assert [stage["name"] for stage in ways.run("version", {})["stages"]] == ["other"]


def test_a_schedule_starts_a_task(ways: Ways) -> None:
    """A schedule that is run starts a task of its template."""
    name = ways.publish("scheduled", [{"name": "a", **ECHO}])
    body = {"name": name.replace("_", "-"), "template": name, "rate": "1 day", "input": {"n": 1}}
    made = ways.http.post("/v1/schedules", json=body)
    assert made.status_code == 201, made.text
    fired = ways.http.post(f"/v1/schedules/{made.json()['id']}/run", json={})
    fired.raise_for_status()
    listed = ways.http.get("/v1/tasks", params={"template": name}).json()["tasks"]
    assert ways.ended(listed[0]["id"])["output"] == {"n": 1}
