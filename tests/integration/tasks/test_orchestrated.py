"""Stages that a state machine asks for: its tokens are answered as the stage stands, whatever happens on the way."""

from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, Unavailable
from steersman.tasks import attempt_store, family_store, token_store
from steersman.tasks.approvals import Approvals
from steersman.tasks.asl.words import Failure
from steersman.tasks.orchestration import Orchestration
from steersman.tasks.planner import Plan
from steersman.tasks.plans import Plans
from steersman.tasks.sweep import sweep
from steersman.tasks.tokens import Tokens
from tests.fixtures.engine import LANES, Rig, stage

DONE = {"status": "completed", "when": {}}
SOON_S = -60.0  # what has been ready since less than no time: all that is


def orchestrated(rig: Rig, *stages: dict[str, Any], **more: Any) -> tuple[UUID, Plan]:
    plan = rig.publish(stages, orchestrator="step_functions", **more)
    (task_id,) = rig.submit(plan, input={"list": [1, 2, 3], "wanted": False})
    assert not rig.sqs.take_all(), "its execution asks for stages, nobody else"
    return task_id, plan


def fails(*attempts: int, retryable: bool = True) -> Any:
    def behave(job: StageJob) -> StageResult | AgentError:
        if job.attempt not in attempts:
            return StageResult({"stage": job.stage})
        error = AgentError("no")
        error.retryable = retryable
        return error

    return behave


def kept(rig: Rig) -> int:
    return int(rig.database.run("SELECT count(*) AS n FROM stage_tokens")[0]["n"])


def swept(rig: Rig) -> None:
    plans = Plans(rig.database)
    tokens = Tokens(database=rig.database, machines=rig.door, plans=plans)
    sweep(
        database=rig.database,
        queues=rig.queues,
        live=rig.live,
        open_work=rig.open_work,
        plans=plans,
        lanes=LANES,
        warn=lambda text, _: rig.warnings.append(text),
        stranded_after_s=SOON_S,
        orchestration=Orchestration(rig.executions, tokens),
    )


def answered(rig: Rig, task_id: UUID, name: str) -> None:
    approvals = Approvals(
        database=rig.database,
        queues=rig.queues,
        live=rig.live,
        plans=Plans(rig.database),
        open_work=rig.open_work,
        lanes=LANES,
        warn=lambda text, _: rig.warnings.append(text),
    )
    approvals.answer(task_id, name, approved=True, answer={}, comment=None, by="someone")
    rig.drain()


def test_a_stage_is_done_and_answered(rig: Rig) -> None:
    """A stage that is asked for runs once, its token is answered and forgotten, and what follows is not sent."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"), stage("b", "a"))
    rig.ask(task_id, "a", "t1")
    assert rig.machines.taken() == [("t1", DONE)]
    assert (kept(rig), rig.statuses(task_id)) == (0, {"a": "completed", "b": "ready"})
    rig.ask(task_id, "b", "t2")
    assert rig.machines.taken() == [("t2", DONE)]
    assert rig.task(task_id)["status"] == "completed"
    assert [job.stage for job in rig.agent.jobs] == ["a", "b"]


def test_a_message_that_comes_again_is_answered_again_and_not_done(rig: Rig) -> None:
    """A duplicate of an answered message answers as the stage ended; its agent is not asked again."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"), stage("b", "a"))
    for token in ("t1", "t1", "t2"):
        rig.ask(task_id, "a", token)
        assert rig.machines.taken() == [(token, DONE)]
    assert len(rig.agent.jobs) == 1


def test_a_lost_answer_is_given_when_the_message_comes_again(rig: Rig) -> None:
    """Where Step Functions does not take the answer, the message comes again, and what is done is answered then."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"))
    rig.ask(task_id, "a", "t1", do=False)
    rig.machines.away = True
    messages = rig.sqs.take_all()
    assert rig.engine.run(messages).failed_messages == [messages[0].id]
    rig.machines.away = False
    assert rig.engine.run(messages).failed_messages == []
    assert rig.machines.taken() == [("t1", DONE)]
    assert len(rig.agent.jobs) == 1


def test_a_worker_that_dies_before_its_answer_leaves_the_token(rig: Rig) -> None:
    """A token is noted before its stage is claimed: whoever ends the stage answers it."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"))
    rig.ask(task_id, "a", "t1", do=False)
    messages = rig.sqs.take_all()
    with (
        patch.object(attempt_store, "claim", side_effect=Unavailable("killed")),
        pytest.raises(Unavailable),
    ):
        rig.engine.run(messages)
    assert kept(rig) == 1
    swept(rig)  # the message is lost: the sweep sends the stage, and nobody knows its token but the database
    rig.drain()
    assert rig.machines.taken() == [("t1", DONE)]


def test_every_token_of_a_stage_is_answered(rig: Rig) -> None:
    """A state machine that asks again while the stage runs is answered through all of it; the work is done once."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"))

    def ask_again(job: StageJob) -> StageResult:
        rig.ask(task_id, "a", "t2", do=False)
        rig.new_engine().run(rig.sqs.take_all())
        return StageResult({"stage": job.stage})

    rig.behaviours["a"] = ask_again
    rig.ask(task_id, "a", "t1")
    assert sorted(rig.machines.taken()) == [("t1", DONE), ("t2", DONE)]
    assert len(rig.agent.jobs) == 1
    assert kept(rig) == 0


def test_an_old_message_takes_no_answer_from_a_newer_one(rig: Rig) -> None:
    """A message of an execution that is over, coming again behind that of the execution that runs, does no harm."""
    rig.register()
    rig.machines.left.add("old")
    task_id, _ = orchestrated(rig, stage("a"))
    rig.ask(task_id, "a", "new", do=False)
    rig.ask(task_id, "a", "old", do=False)
    begun = len(rig.machines.executions)
    rig.engine.run(rig.sqs.take_all())
    assert ("new", DONE) in rig.machines.taken()
    assert len(rig.machines.executions) == begun


@pytest.mark.parametrize(
    ("retryable", "attempts", "name"),
    [(True, (1,), Failure.FAILED), (False, (1, 2, 3), Failure.FINAL)],
)
def test_a_failure_is_named(rig: Rig, retryable: bool, attempts: tuple[int, ...], name: Failure) -> None:
    """What is to be tried again fails by a name that is tried again; what is not, by one that ends the task."""
    rig.register()
    rig.behaviours["a"] = fails(*attempts, retryable=retryable)
    task_id, _ = orchestrated(rig, stage("a"))
    rig.ask(task_id, "a", "t1")
    assert rig.machines.taken() == [("t1", name)]
    assert rig.task(task_id)["status"] == ("retrying" if retryable else "failed")


def test_a_retry_that_comes_too_early_waits(rig: Rig) -> None:
    """What is asked for before its time goes back as a plain message that is delayed until then."""
    rig.register()
    rig.behaviours["a"] = fails(1)
    task_id, _ = orchestrated(rig, stage("a", retry={"max_attempts": 2, "backoff_s": 100}))
    rig.ask(task_id, "a", "t1")
    where = {"task_id": task_id}
    rig.database.run(
        "UPDATE task_stages SET ready_at = now() + interval '50 s' WHERE task_id = %(task_id)s", where
    )
    rig.ask(task_id, "a", "t2", retry=1, do=False)
    rig.step()
    assert [entry["DelaySeconds"] for queue in rig.sqs.queues.values() for entry in queue] == [50]
    assert len(rig.agent.jobs) == 1
    rig.pass_time(task_id, "a")
    rig.drain()
    assert rig.machines.taken() == [("t1", Failure.FAILED), ("t2", DONE)]


def test_a_stage_that_is_not_wanted_is_told_by_what_frees_it(rig: Rig) -> None:
    """The answer of a stage says which stages it freed are not wanted, however far down; they are skipped."""
    rig.register()
    task_id, _ = orchestrated(
        rig,
        stage("a"),
        stage("b", "a", when="input.wanted"),
        stage("c", "b", when="input.wanted"),
        stage("d", "c"),
    )
    rig.ask(task_id, "a", "t1")
    assert rig.machines.taken() == [("t1", {"status": "completed", "when": {"b": False, "c": False}})]
    assert rig.statuses(task_id) == {"a": "completed", "b": "skipped", "c": "skipped", "d": "ready"}


def test_a_fan_out_is_opened_done_and_joined(rig: Rig) -> None:
    """`open` makes the items and says which there are, each `item` is done in its own task, `join` ends the stage."""
    rig.register()
    rig.behaviours["each"] = lambda job: fails(*([1] if job.input["index"] == 1 else []), retryable=False)(
        job
    )
    task_id, _ = orchestrated(rig, stage("each", for_each={"items": "input.list", "tolerate": 1}))
    rig.ask(task_id, "each", "open", move="open")
    assert rig.machines.taken() == [("open", {"items": [0, 1, 2]})]
    assert not rig.agent.jobs, "an item begins when the state machine says so"
    for index in range(3):
        rig.ask(task_id, "each", f"i{index}", move="item", item=index)
    assert rig.machines.taken() == [("i0", {}), ("i1", Failure.ITEM_FAILED), ("i2", {})]
    rig.ask(task_id, "each", "join", move="join")
    assert rig.machines.taken() == [("join", DONE)]
    assert rig.task(task_id)["output"]["failed"] == 1


def test_a_fan_out_that_cannot_succeed_ends_every_item(rig: Rig) -> None:
    """When too many items failed the task fails at once: tokens of items that wait are answered, so that all end."""
    rig.register()
    rig.behaviours["each"] = fails(1, retryable=False)
    task_id, _ = orchestrated(rig, stage("each", for_each={"items": "input.list"}))
    rig.ask(task_id, "each", "open", move="open")
    rig.machines.taken()
    rig.ask(task_id, "each", "i0", move="item", item=0)
    rig.ask(task_id, "each", "i1", move="item", item=1)
    assert dict(rig.machines.taken()) == {"i0": Failure.ITEM_FAILED, "i1": Failure.ITEM_FAILED}
    assert rig.task(task_id)["status"] == "failed"
    assert {child["status"] for child in family_store.page(
        rig.database, task_id, "each", status=None, after=-1, limit=10
    )} == {"failed", "cancelled"}  # fmt: skip


def test_an_approval_is_answered_when_somebody_answers(rig: Rig) -> None:
    """A token of an approval stays until the answer came through the API, and is answered with it."""
    approval = {"name": "ok", "kind": "approval", "approval": {"ask": "Go?"}}
    rig.register()
    task_id, _ = orchestrated(rig, approval, stage("a", "ok"))
    rig.ask(task_id, "ok", "t1", move="ask")
    assert (rig.machines.taken(), rig.statuses(task_id)["ok"]) == ([], "awaiting")
    assert not rig.sqs.take_all(), "the state machine waits, no message does"
    answered(rig, task_id, "ok")
    assert rig.machines.taken() == [("t1", DONE)]


def test_a_wait_says_until_when(rig: Rig) -> None:
    """`begin` is answered with the time that the state machine waits for, `end` when it has come."""
    task_id, _ = orchestrated(rig, {"name": "later", "kind": "wait", "wait": {"for_s": 100}})
    rig.ask(task_id, "later", "t1", move="begin")
    ((token, answer),) = rig.machines.taken()
    ready_at = rig.database.run("SELECT ready_at FROM task_stages")[0]["ready_at"]
    assert (token, list(answer)) == ("t1", ["until"])
    assert answer["until"] >= ready_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    rig.pass_time(task_id, "later")
    rig.ask(task_id, "later", "t2", move="end")
    assert rig.machines.taken() == [("t2", DONE)]
    assert rig.task(task_id)["status"] == "completed"


def test_what_undoes_is_asked_for_in_turn(rig: Rig) -> None:
    """A task that fails says what is to be undone; that runs when it is asked for, and then the task has failed."""
    rig.register()
    rig.behaviours["b"] = fails(1, retryable=False)
    task_id, _ = orchestrated(rig, stage("a", undo="back"), stage("b", "a"), stage("back"), output="b")
    rig.ask(task_id, "a", "t1")
    rig.ask(task_id, "b", "t2")
    rig.ask(task_id, "b", "undo", move="undo")
    assert rig.machines.taken() == [("t1", DONE), ("t2", Failure.FINAL), ("undo", {"undo": {"back": True}})]
    rig.ask(task_id, "back", "t3")
    assert rig.machines.taken() == [("t3", DONE)]
    assert rig.task(task_id)["status"] == "failed"


def test_what_a_cancelled_task_is_asked_is_answered(rig: Rig) -> None:
    """A stage of a task that was cancelled is not run: its token is answered with what ends the execution."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"))
    rig.cancel(task_id)
    rig.ask(task_id, "a", "t1")
    assert (rig.machines.taken(), rig.agent.jobs) == ([("t1", Failure.FINAL)], [])


def test_what_names_no_stage_is_answered(rig: Rig) -> None:
    """A token for a task, a stage or an item that is not there is answered, so that no execution waits for it."""
    task_id, _ = orchestrated(rig, stage("a"))
    rig.ask(UUID(int=1), "a", "t1")
    rig.ask(task_id, "z", "t2")
    rig.ask(task_id, "a", "t3", move="item", item=7)
    rig.ask(UUID(int=1), "a", "t4", move="undo")
    assert rig.machines.taken() == [(f"t{number}", Failure.FINAL) for number in range(1, 5)]


def test_a_task_whose_execution_is_gone_goes_on_and_gets_another(rig: Rig) -> None:
    """What does not go on is sent by the sweep, and another execution begins, which finds what is done."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"), stage("b", "a"))
    rig.machines.end(str(task_id), "FAILED")
    swept(rig)
    assert rig.machines.executions == {str(task_id): "FAILED", f"{task_id}-2": "RUNNING"}
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "ready"}
    rig.ask(task_id, "a", "t1")
    rig.ask(task_id, "b", "t2")
    assert rig.machines.taken() == [("t1", DONE), ("t2", DONE)]
    assert [job.stage for job in rig.agent.jobs] == ["a", "b"]


def test_an_answer_that_nobody_hears_begins_another_execution(rig: Rig) -> None:
    """A task whose execution is gone gets another as soon as one of its stages ends, not only by the sweep."""
    rig.register()
    task_id, _ = orchestrated(rig, stage("a"), stage("b", "a"))
    rig.machines.end(str(task_id), "ABORTED")
    rig.machines.left.add("t1")
    rig.ask(task_id, "a", "t1")
    assert rig.machines.executions == {str(task_id): "ABORTED", f"{task_id}-2": "RUNNING"}
    assert (kept(rig), rig.warnings) == (0, [])


def test_a_task_past_its_deadline_has_its_execution_ended(rig: Rig) -> None:
    """The sweep that fails a late task ends its execution too."""
    task_id, _ = orchestrated(rig, stage("a"))
    rig.let_pass(task_id, 1000)
    swept(rig)
    assert rig.task(task_id)["status"] == "failed"
    assert rig.machines.executions == {str(task_id): "ABORTED"}


def test_tokens_of_ended_tasks_are_forgotten(rig: Rig) -> None:
    """Housekeeping forgets tokens that nobody answered because their task ended, and keeps those of open tasks."""
    task_id, _ = orchestrated(rig, stage("a"))
    other, _ = orchestrated(rig, stage("a"))
    for number, one in enumerate((task_id, other)):
        token_store.take(rig.database, [token_store.Asked(one, "a", "run", f"t{number}")])
    rig.database.run("UPDATE stage_tokens SET created_at = now() - interval '2 days'")
    rig.cancel(task_id)
    assert (token_store.forget_ended(rig.database), kept(rig)) == (1, 1)


def test_messages_that_are_no_jobs_are_refused(rig: Rig) -> None:
    """A message with a token that is not one of a state machine's fails, as any other that cannot be read."""
    task_id, _ = orchestrated(rig, stage("a"))
    good = f'{{"jobs":[["{task_id}","a",1]],"move":"run","token":"t1"}}'
    for bad in (
        good.replace('"run"', '"dance"'),
        good.replace('"t1"', "7"),
        good.replace('"move"', '"item":"x","move"'),
        good.replace("1]", "1],[]"),
    ):
        entry = {"Id": "x", "MessageBody": bad}
        rig.sqs.send_message_batch(QueueUrl="mem://agent-standard", Entries=[entry])
        report = rig.step()
        assert report is not None
        assert report.counts == {"unreadable": 1}
