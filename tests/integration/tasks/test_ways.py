"""Stages that start tasks, wait for people or for a time, and tasks that undo what they did."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError
from steersman.tasks import family_store, waiting_store
from tests.fixtures.engine import Rig, stage

ITEMS = {"items": "input.list", "concurrency": 2}


def refuse(job: StageJob) -> AgentError:
    error = AgentError("no")
    error.retryable = False
    return error


def refuse_item(*refused: int) -> Any:
    def behave(job: StageJob) -> StageResult | AgentError:
        return (
            refuse(job) if job.input["index"] in refused else StageResult({"double": job.input["item"] * 2})
        )

    return behave


def fan_out(rig: Rig, items: Any, **policy: Any) -> tuple[UUID, Any]:
    plan = rig.publish([stage("each", for_each={**ITEMS, **policy}), stage("after", "each")])
    (task_id,) = rig.submit(plan, input={"list": items})
    return task_id, plan


def children(rig: Rig, task_id: UUID, of: str = "each") -> list[dict[str, Any]]:
    return family_store.page(rig.database, task_id, of, status=None, after=-1, limit=20_000)


def test_each_item_is_done_once_and_joined_in_order(rig: Rig) -> None:
    """A fan-out does its stage for each item of a list, and the stage after it sees the outputs in that order."""
    rig.behaviours["each"] = refuse_item()
    rig.behaviours["after"] = lambda job: StageResult(dict(job.results["each"] or {}))
    task_id, _ = fan_out(rig, [1, 2, 3, 4, 5])
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "completed"
    assert task["output"]["items"] == [{"double": number * 2} for number in (1, 2, 3, 4, 5)]
    assert (task["output"]["completed"], task["output"]["failed"]) == (5, 0)


def test_counts_alone_need_no_outputs(rig: Rig) -> None:
    """A fan-out that collects no outputs reads none, and says how many items ended how, and of what some failed."""
    rig.behaviours["each"] = lambda job: (
        refuse(job) if job.input["index"] == 1 else StageResult({"text": "x" * 100_000})
    )
    rig.behaviours["after"] = lambda job: StageResult(dict(job.results["each"] or {}))
    task_id, _ = fan_out(rig, [1, 2, 3], collect=False, tolerate=1)
    with patch.object(rig.objects, "get", side_effect=AssertionError("an output was read")):
        rig.drain()
    task = rig.task(task_id)
    assert task["output"] == {"completed": 2, "failed": 1, "errors": [{"index": 1, "reason": "no"}]}


def test_no_more_items_are_at_work_than_the_limit(rig: Rig) -> None:
    """Of a fan-out at most `concurrency` items wait for a worker at a time; as one ends the next may begin."""
    task_id, _ = fan_out(rig, list(range(7)))
    rig.step()
    seen = 0
    while messages := rig.sqs.take_all():
        jobs = sum(message.body.count('"each"') for message in messages)
        assert jobs <= 2
        seen += jobs
        rig.engine.run(messages)
    assert seen >= 7
    assert rig.task(task_id)["status"] == "completed"


@pytest.mark.parametrize(
    ("policy", "refused", "status"),
    [
        ({}, (), "completed"),
        ({}, (3,), "failed"),
        ({"tolerate": 1}, (3,), "completed"),
        ({"tolerate": 1}, (1, 3), "failed"),
        ({"at_least": 3}, (1, 3), "completed"),
        ({"at_least": 4}, (1, 3), "failed"),
    ],
)
def test_a_completion_policy_decides(
    rig: Rig, policy: dict[str, int], refused: tuple[int, ...], status: str
) -> None:
    """A fan-out completes while no more of its items fail than its policy allows, and fails else."""
    rig.behaviours["each"] = refuse_item(*refused)
    task_id, _ = fan_out(rig, list(range(5)), **policy)
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == status
    assert (task["error"] or {}).get("code") == (None if status == "completed" else "children_failed")
    assert {child["status"] for child in children(rig, task_id)} <= {"completed", "failed", "cancelled"}


def test_a_fan_out_over_no_list_fails_by_name(rig: Rig) -> None:
    """What is not a list, or too long a one, fails the stage without starting anything."""
    for given, reason in (("text", "a text, not a list"), (None, "null, not a list")):
        task_id, _ = fan_out(rig, given)
        rig.drain()
        assert reason in rig.task(task_id)["error"]["message"]
        assert children(rig, task_id) == []
    task_id, _ = fan_out(rig, [1, 2, 3], max_items=2)
    rig.drain()
    assert "3 items; at most 2" in rig.task(task_id)["error"]["message"]


def test_a_fan_out_over_an_empty_list_completes_at_once(rig: Rig) -> None:
    """No items mean no tasks: the stage completes with an empty list."""
    task_id, _ = fan_out(rig, [])
    rig.drain()
    assert rig.statuses(task_id) == {"each": "completed", "after": "completed"}


def test_items_try_again_by_themselves(rig: Rig) -> None:
    """An item whose attempt fails is tried again by the stage's rules, and the others are not."""
    failed: set[int] = set()

    def once(job: StageJob) -> StageResult | AgentError:
        if job.input["index"] == 1 and not failed:
            failed.add(1)
            return AgentError("try again")
        return StageResult({})

    rig.behaviours["each"] = once
    task_id, _ = fan_out(rig, [1, 2, 3])
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert len([job for job in rig.agent.jobs if job.stage == "each"]) == 4


def test_cancelling_a_task_cancels_the_tasks_that_it_started(rig: Rig) -> None:
    """When a task is cancelled, none of the tasks that its stages started goes on."""
    task_id, _ = fan_out(rig, list(range(6)))
    rig.step()
    rig.cancel(task_id)
    rig.drain()
    assert {child["status"] for child in children(rig, task_id)} == {"cancelled"}
    assert rig.agent.jobs == []


def test_a_lost_wake_is_made_good_by_the_message_that_comes_again(rig: Rig) -> None:
    """A child whose worker died before it told the parent tells it when the message is delivered once more."""
    task_id, _ = fan_out(rig, [1])
    rig.step()
    messages = rig.sqs.take_all()
    rig.lose_wakes(lambda: rig.engine.run(messages))
    assert rig.statuses(task_id)["each"] == "running"
    rig.engine.run(messages)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_nested_task_gives_its_output(rig: Rig) -> None:
    """A stage of kind task starts a task of another template, waits for it, and has its output; cost adds up."""
    rig.publish([stage("inner")], name="inner")
    plan = rig.publish(
        [
            stage("first"),
            {
                "name": "nested",
                "kind": "task",
                "needs": ["first"],
                "task": {"template": "inner", "input": "results.first"},
            },
            stage("last", "nested"),
        ]
    )
    rig.behaviours["inner"] = lambda job: StageResult({"got": job.input["stage"]})
    (task_id,) = rig.submit(plan)
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "completed"
    (child,) = children(rig, task_id, "nested")
    assert child["output"] == {"got": "first"}


@pytest.mark.parametrize(
    ("nested", "code"), [("inner", "children_failed"), ("absent", "nested_task_invalid")]
)
def test_a_nested_task_that_fails_fails_its_stage(rig: Rig, nested: str, code: str) -> None:
    """When the nested task fails, or there is no such template, the stage fails and says so."""
    rig.publish([stage("inner")], name="inner")
    rig.behaviours["inner"] = refuse
    (task_id,) = rig.submit(rig.publish([{"name": "nested", "kind": "task", "task": {"template": nested}}]))
    rig.drain()
    assert rig.task(task_id)["error"]["code"] == code


def test_tasks_that_start_each_other_end_at_a_depth(rig: Rig) -> None:
    """Templates that start each other run no deeper than a limit, and fail with a message that says so."""
    rig.publish([{"name": "there", "kind": "task", "task": {"template": "pong"}}], name="ping")
    plan = rig.publish([{"name": "back", "kind": "task", "task": {"template": "ping"}}], name="pong")
    (task_id,) = rig.submit(plan)
    rig.drain()
    assert rig.task(task_id)["status"] == "failed"


def test_a_wait_goes_on_at_its_time(rig: Rig) -> None:
    """A stage of kind wait is awaiting until its time, takes no worker meanwhile, and completes then, not before."""
    plan = rig.publish([{"name": "pause", "kind": "wait", "wait": {"for_s": 0.2}}, stage("after", "pause")])
    (task_id,) = rig.submit(plan)
    rig.step()
    task = rig.task(task_id)
    assert (task["status"], rig.statuses(task_id)["pause"]) == ("awaiting", "awaiting")
    early = rig.sqs.take_all()
    rig.engine.run(early)
    assert rig.statuses(task_id)["pause"] == "awaiting"
    rig.pass_time(task_id, "pause")
    rig.engine.run(early)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_long_wait_is_sent_by_its_timer(rig: Rig) -> None:
    """A wait longer than a message can is in no queue; its timer has it sent when its time is near."""
    plan = rig.publish([{"name": "pause", "kind": "wait", "wait": {"for_s": 86_400}}], deadline_s=200_000)
    (task_id,) = rig.submit(plan, deadline_at=datetime.now(UTC) + timedelta(days=2))
    rig.step()
    assert rig.sqs.take_all() == []
    assert waiting_store.due_timers(rig.database, limit=10) == []
    rig.pass_time(task_id, "pause")
    (row,) = waiting_store.due_timers(rig.database, limit=10)
    assert (row["task_id"], row["stage"], row["deadline_passed"]) == (task_id, "pause", False)


def test_a_timer_in_the_past_fails_by_name(rig: Rig) -> None:
    """A time that has passed, or none at all, fails the stage and says which field gave it."""
    plan = rig.publish([{"name": "pause", "kind": "wait", "wait": {"until": "input.at"}}])
    for at in ("2020-01-01T00:00:00Z", "soon", 5):
        (task_id,) = rig.submit(plan, input={"at": at})
        rig.drain()
        error = rig.task(task_id)["error"]
        assert (error["code"], "wait.until" in error["message"]) == ("timer_in_past", True)


def test_a_task_undoes_what_it_did_in_reverse_order(rig: Rig) -> None:
    """When a task fails, the stages that undo completed ones run first, the last completed before the others."""
    plan = rig.publish(
        [
            stage("hotel", undo="cancel_hotel"),
            stage("flight", "hotel", undo="cancel_flight"),
            stage("car", "flight", undo="cancel_car"),
            stage("cancel_hotel"),
            stage("cancel_flight"),
            stage("cancel_car"),
        ],
        output="car",
    )
    rig.behaviours["car"] = refuse
    (task_id,) = rig.submit(plan)
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "failed"
    assert (task["error"]["code"], task["error"]["stage"]) == ("agent_error", "car")
    assert [job.stage for job in rig.agent.jobs][-2:] == ["cancel_flight", "cancel_hotel"]
    assert rig.statuses(task_id) == {
        "hotel": "completed",
        "flight": "completed",
        "car": "failed",
        "cancel_hotel": "completed",
        "cancel_flight": "completed",
    }
    assert rig.agent.jobs[-1].results["hotel"] == {"stage": "hotel"}


def test_undoing_goes_on_when_one_step_cannot(rig: Rig) -> None:
    """A stage that cannot undo is a dead letter, and the others still undo."""
    plan = rig.publish(
        [
            stage("hotel", undo="cancel_hotel"),
            stage("flight", "hotel", undo="cancel_flight"),
            stage("car", "flight"),
            stage("cancel_hotel"),
            stage("cancel_flight"),
        ],
        output="car",
    )
    rig.behaviours["car"] = rig.behaviours["cancel_flight"] = refuse
    (task_id,) = rig.submit(plan)
    rig.drain()
    assert rig.task(task_id)["status"] == "failed"
    assert rig.statuses(task_id)["cancel_flight"] == "failed"
    assert rig.statuses(task_id)["cancel_hotel"] == "completed"


def test_a_task_of_which_nothing_completed_has_nothing_to_undo(rig: Rig) -> None:
    """A task that fails in its first stage fails at once, though the template says how to undo."""
    plan = rig.publish([stage("hotel", undo="cancel_hotel"), stage("cancel_hotel")], output="hotel")
    rig.behaviours["hotel"] = refuse
    (task_id,) = rig.submit(plan)
    rig.drain()
    assert (rig.task(task_id)["status"], rig.statuses(task_id)) == ("failed", {"hotel": "failed"})
