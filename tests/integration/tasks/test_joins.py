"""What comes after the tasks that a stage started: joins that crash, that cannot be kept, that are tried again."""

from typing import Any
from uuid import UUID

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError
from steersman.tasks import attempt_store
from steersman.tasks.attempt_store import Lease
from tests.fixtures.desk import Desk
from tests.fixtures.engine import Rig, stage

EACH = {"items": "input.list"}
TWICE = {"max_attempts": 1, "on": {"permanent": {"max_attempts": 2, "backoff_s": 0.01}}}


def refuse(_: StageJob) -> AgentError:
    error = AgentError("no")
    error.retryable = False
    return error


def at_the_join(rig: Rig, **more: Any) -> UUID:
    """Return a task whose items have ended, and whose stage `each` waits for a worker to join them."""
    plan = rig.publish([stage("each", for_each=EACH, **more)])
    (task_id,) = rig.submit(plan, input={"list": [1, 2, 3]})
    rig.step()
    rig.step()
    assert rig.statuses(task_id)["each"] == "ready"
    return task_id


def test_a_worker_that_dies_at_a_join_loses_no_output(rig: Rig, desk: Desk) -> None:
    """A join that a worker did not live to finish is done by another, with the output of every item."""
    rig.behaviours["each"] = lambda job: StageResult({"double": job.input["item"] * 2})
    task_id = at_the_join(rig)
    rig.sqs.take_all()
    assert attempt_store.claim(rig.database, [Lease(task_id, "each", 1, task_id)], lease_s=600)
    rig.database.run(
        "UPDATE task_stages SET lease_expires_at = now() - interval '1 s' WHERE status = 'running'"
    )
    desk.sweep()
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["stages"][0]["attempt"]) == ("completed", 2)
    assert task["output"]["items"] == [{"double": 2}, {"double": 4}, {"double": 6}]
    assert len(rig.agent.jobs) == 3


def test_a_join_that_cannot_be_kept_fails_once(rig: Rig) -> None:
    """A join whose output is too large fails for good and says what to do; no item is done again."""
    rig.behaviours["each"] = lambda _: StageResult({"text": "x" * 2_000_000})
    task_id = at_the_join(rig)
    rig.drain()
    task = rig.task(task_id)
    assert (task["error"]["code"], task["stages"][0]["attempt"]) == ("invalid_result", 1)
    assert "for_each.collect: false" in task["error"]["message"]
    assert len(rig.agent.jobs) == 3


def test_a_nested_output_of_another_form_fails_once(rig: Rig) -> None:
    """A nested task whose output is not what the stage's output_schema says fails the stage for good."""
    rig.publish([stage("inner")], name="inner")
    nested = {
        "name": "nested",
        "kind": "task",
        "task": {"template": "inner"},
        "output_schema": {"required": ["x"]},
    }
    (task_id,) = rig.submit(rig.publish([nested]))
    rig.drain()
    task = rig.task(task_id)
    assert (task["error"]["code"], task["stages"][0]["attempt"]) == ("invalid_result", 1)
    assert len(rig.agent.jobs) == 1


def test_schemas_of_a_fan_out_are_those_of_its_items(rig: Rig) -> None:
    """What an item is given and gives is held to the stage's schemas; the list of them is not."""
    schemas = {
        "input_schema": {"properties": {"input": {"required": ["item"]}}},
        "output_schema": {"required": ["double"]},
    }
    rig.behaviours["each"] = lambda job: StageResult(
        {"double": 2 * job.input["item"]} if job.input["item"] != 2 else {"half": 1}
    )
    each = stage("each", for_each={**EACH, "tolerate": 1}, **schemas)
    (task_id,) = rig.submit(rig.publish([each]), input={"list": [1, 2, 3]})
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "completed"
    assert task["output"]["items"] == [{"double": 2}, None, {"double": 6}]
    assert "output_schema" in task["output"]["errors"][0]["reason"]


def test_items_are_tried_again_and_their_fan_out_is_not(rig: Rig) -> None:
    """`retry` of a fan-out is that of each item: when one has failed for good the stage fails at once."""
    rig.behaviours["each"] = refuse
    (task_id,) = rig.submit(rig.publish([stage("each", for_each=EACH, retry=TWICE)]), input={"list": [1]})
    rig.drain()
    task = rig.task(task_id)
    assert (task["error"]["code"], task["stages"][0]["attempt"]) == ("children_failed", 1)
    assert [job.attempt for job in rig.agent.jobs] == [1, 2]


def test_a_nested_task_is_started_again_where_the_template_says_so(rig: Rig) -> None:
    """With a rule for `permanent` failures a stage of kind task starts its task anew, and has the new one's output."""
    rig.publish([stage("inner", retry={"max_attempts": 1})], name="inner")
    rig.behaviours["inner"] = lambda job: (
        refuse(job) if len(rig.agent.jobs) == 1 else StageResult({"second": True})
    )
    nested = {"name": "nested", "kind": "task", "task": {"template": "inner"}, "retry": TWICE}
    (task_id,) = rig.submit(rig.publish([nested]))
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["output"]) == ("completed", {"second": True})
    assert (task["stages"][0]["attempt"], len(rig.agent.jobs)) == (2, 2)


def test_a_rejection_is_final(rig: Rig, desk: Desk) -> None:
    """A no is not asked for again, whatever the template says of permanent failures."""
    ask = {"name": "ask", "kind": "approval", "approval": {"ask": "Go on?"}, "retry": TWICE}
    (task_id,) = rig.submit(rig.publish([ask]))
    rig.drain()
    desk.answer(task_id, "ask", approved=False)
    rig.drain()
    task = rig.task(task_id)
    assert (task["error"]["code"], task["stages"][0]["attempt"]) == ("rejected", 1)
