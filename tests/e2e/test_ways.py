"""The ways of a task in the local cloud: fan-outs, nested tasks, approvals, waits, pauses, undoing, dead letters."""

from typing import Any

import pytest

from tests.e2e.local_cloud import Steersman, until

ECHO = {"queue": "agent", "capability": "echo"}
NOBODY = {"queue": "executor", "capability": "no.such", "retry": {"max_attempts": 1}}


def publish(steersman: Steersman, name: str, stages: list[dict[str, Any]], **more: Any) -> None:
    template = {"name": name, "deadline_s": 120, "stages": stages, **more}
    answer = steersman.http.post("/v1/templates", json={"template": template})
    assert answer.status_code in {200, 201}, answer.text


def waiting(steersman: Steersman, task_id: str, stage: str) -> dict[str, Any]:
    """Return a task as soon as one of its stages waits."""

    def waits() -> bool:
        stages = steersman.task(task_id)["stages"]
        return any(found["name"] == stage and found["status"] == "awaiting" for found in stages)

    until(waits, f"stage {stage} waits")
    return steersman.task(task_id)


def test_a_batch_is_done_item_by_item_and_joined(steersman: Steersman) -> None:
    """Each item of a list is a task of its own, and the join has what all of them came to, in order."""
    each = {"name": "each", **ECHO, "for_each": {"items": "input.list", "concurrency": 5}}
    publish(steersman, "e2e_batch", [each])
    task = steersman.ended(steersman.submit("e2e_batch", {"list": list(range(25))}))
    assert task["status"] == "completed"
    assert [item["item"] for item in task["output"]["items"]] == list(range(25))
    started = steersman.http.get(f"/v1/tasks/{task['id']}/stages/each/tasks", params={"limit": 10}).json()
    assert [one["item"] for one in started["tasks"]] == list(range(10))
    listed = steersman.http.get("/v1/tasks", params={"template": "e2e_batch"}).json()["tasks"]
    assert [one["id"] for one in listed] == [task["id"]], "items stay out of the list of tasks"


def test_a_task_waits_for_approval_and_for_its_time(steersman: Steersman) -> None:
    """A nested task asks a person and waits a moment; the task that started it goes on with its answer."""
    ask = {"name": "ask", "kind": "approval", "approval": {"ask": "Shall it go out?"}}
    pause = {"name": "pause", "kind": "wait", "needs": ["ask"], "wait": {"for_s": 1}}
    publish(steersman, "e2e_inner", [ask, pause, {"name": "say", **ECHO, "needs": ["pause"]}])
    publish(steersman, "e2e_outer", [{"name": "inner", "kind": "task", "task": {"template": "e2e_inner"}}])
    task_id = steersman.submit("e2e_outer", {"draft": "x"})
    until(lambda: steersman.json("approvals", "list")["approvals"], "somebody is asked")
    (asked,) = steersman.json("approvals", "list")["approvals"]
    assert asked["ask"] == "Shall it go out?"
    steersman.run("approvals", "answer", asked["task_id"], "ask", "--yes", "--comment", "well done")
    task = steersman.ended(task_id)
    assert (task["status"], task["output"]) == ("completed", {"draft": "x"})


def test_who_may_not_answer_is_refused(steersman: Steersman) -> None:
    """An approval by one who may not is refused by name, and the stage goes on waiting; cancelling ends it."""
    approval = {"ask": "Pay?", "by": ["arn:aws:sts::*:assumed-role/Treasurers/*"]}
    publish(steersman, "e2e_pay", [{"name": "pay", "kind": "approval", "approval": approval}])
    task_id = steersman.submit("e2e_pay", {})
    waiting(steersman, task_id, "pay")
    answer = steersman.http.post(f"/v1/tasks/{task_id}/stages/pay/answer", json={"approved": True})
    assert answer.status_code == 403
    assert "Treasurers" in answer.json()["detail"]
    steersman.run("tasks", "cancel", task_id)
    assert steersman.task(task_id)["status"] == "cancelled"


def test_a_saga_undoes_itself(steersman: Steersman) -> None:
    """When a stage fails, what was done before it is undone, the last first, and then the task has failed."""
    stages: list[dict[str, Any]] = [
        {"name": "hotel", **ECHO, "undo": "cancel_hotel"},
        {"name": "flight", **ECHO, "needs": ["hotel"], "undo": "cancel_flight"},
        {"name": "car", **NOBODY, "needs": ["flight"]},
        {"name": "cancel_hotel", **ECHO},
        {"name": "cancel_flight", **ECHO},
    ]
    publish(steersman, "e2e_saga", stages, output="car")
    task = steersman.ended(steersman.submit("e2e_saga", {}))
    assert (task["status"], task["error"]["stage"]) == ("failed", "car")
    undone = {stage["name"]: stage["finished_at"] for stage in task["stages"] if stage["undoes"]}
    assert undone["cancel_flight"] < undone["cancel_hotel"]


@pytest.mark.parametrize("scope", ["template", "queue"])
def test_what_is_paused_stands_still(steersman: Steersman, scope: str) -> None:
    """Nothing of a paused template, or on a paused queue, begins until it is resumed; then it goes on by itself."""
    name = f"e2e_still_{scope}"
    publish(steersman, name, [{"name": "a", **ECHO}])
    steersman.run("pauses", "add", scope, name if scope == "template" else "agent")
    try:
        # For some seconds workers may not know of it.
        held = until(lambda: held_task(steersman, name), "a task is held")
    finally:
        steersman.run("pauses", "end", scope, name if scope == "template" else "agent")
    assert steersman.ended(held)["status"] == "completed"


def held_task(steersman: Steersman, template: str) -> str | None:
    """Submit a task; return its id unless it is done within a second."""
    task_id = steersman.submit(template, {})
    task = steersman.http.get(f"/v1/tasks/{task_id}", params={"wait_s": 1}).json()
    return None if task["status"] == "completed" else task_id


def test_a_dead_letter_is_redriven(steersman: Steersman) -> None:
    """A task that failed is among the dead letters, and goes on where it failed when somebody redrives it."""
    publish(
        steersman, "e2e_dead", [{"name": "first", **ECHO}, {"name": "second", **NOBODY, "needs": ["first"]}]
    )
    task = steersman.ended(steersman.submit("e2e_dead", {"n": 1}))
    assert task["status"] == "failed"
    found = steersman.http.get("/v1/dead-letters", params={"template": "e2e_dead"}).json()["dead_letters"]
    (letter,) = found
    assert (letter["task_id"], letter["stage"], letter["error"]["code"]) == (task["id"], "second", "no_agent")
    preview = steersman.http.post("/v1/dead-letters/redrive", json={"template": "e2e_dead"}).json()
    assert (preview["preview"], preview["letters"]) == (True, 1)
    redriven = steersman.http.post(f"/v1/dead-letters/{letter['id']}/redrive", json={})
    assert redriven.status_code in {200, 202}, redriven.text
    again = steersman.ended(task["id"])
    assert (again["status"], again["stages"][0]["attempt"], again["stages"][1]["attempt"]) == ("failed", 1, 2)
    entries = steersman.http.get("/v1/audit", params={"target": f"task/{task['id']}"}).json()["entries"]
    assert "task.redriven" in {entry["action"] for entry in entries}
