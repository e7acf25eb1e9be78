"""What becomes of each kind of stage in a state machine, run on a virtual clock."""

from math import inf
from typing import Any

import pytest

from steersman.tasks.asl.words import Failure
from steersman.tasks.planner import Plan
from steersman.tasks.words import StageStatus
from tests.fixtures.engine import stage
from tests.unit.tasks.asl.runs import compiled, plan_of, run
from tests.unit.tasks.asl.workers import Workers
from tests.unit.tasks.carrier import Answer

APPROVAL = {"ask": "Send it?", "timeout_s": 60}


def approval(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "approval", "needs": list(needs), "approval": {**APPROVAL, **more}}


def wait(name: str, *needs: str, for_s: float) -> dict[str, Any]:
    return {"name": name, "kind": "wait", "needs": list(needs), "wait": {"for_s": for_s}}


def fan_out(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return stage(name, *needs, for_each={"items": "input.list", "concurrency": 3, "max_items": 100, **more})


def silent_at(**silent: int) -> Any:
    """Return how long messages take: those of the named moves are never answered, the first so many of them."""

    def takes(_stage: str, move: str, number: int) -> float:
        return inf if number <= silent.get(move, 0) else 1.0

    return takes


def only(plan: Plan, name: str) -> dict[str, Any]:
    found: dict[str, Any] = compiled(plan).definition["States"][name]
    return found


def test_branches_run_side_by_side() -> None:
    """A long branch holds up nothing but the join: stages after a short one start while it still runs."""
    plan = plan_of(
        stage("a"),
        stage("long", "a"),
        stage("b", "a"),
        stage("c", "b"),
        stage("d", "c", "long"),
        deadline_s=900,
    )
    workers = Workers(plan, takes=lambda name, _move, _number: 100.0 if name == "long" else 1.0)
    assert run(workers)[1] is None
    assert workers.began == {"a": 0, "long": 1, "b": 1, "c": 2, "d": 101}


def test_a_failure_is_tried_again_by_its_rule() -> None:
    """Each kind of failure is tried as often as its own rule says, counted over all attempts."""
    retry = {"max_attempts": 2, "backoff_s": 1, "on": {"timeout": {"max_attempts": 4, "backoff_s": 8}}}
    answers: list[Answer] = ["timeout", "timeout", "timeout", "go"]
    plan = plan_of(stage("a", retry=retry))
    workers = Workers(plan, answer=lambda _stage, attempt: answers[attempt - 1])
    execution, error = run(workers)
    assert (error, workers.attempts["a"]) == (None, 4)
    assert execution.clock.now == 4 + 8 + 16 + 32  # four attempts, and the waits between, without jitter
    mixed = Workers(plan, answer=lambda _stage, attempt: "timeout" if attempt < 3 else "fail")
    assert run(mixed)[1] == Failure.FINAL
    assert mixed.attempts["a"] == 3


def test_a_permanent_failure_is_final() -> None:
    """What an agent refuses is not tried again, unless a rule of its own says so."""
    workers = Workers(plan_of(stage("a")), answer=lambda _stage, _attempt: "refuse")
    assert run(workers)[1] == Failure.FINAL
    assert workers.attempts["a"] == 1


def test_a_failed_branch_stops_the_others() -> None:
    """When a stage fails the task, no stage of another branch starts any more."""
    plan = plan_of(stage("a"), stage("b", retry={"max_attempts": 1}), stage("c", "a"), stage("d", "b", "c"))
    workers = Workers(
        plan,
        answer=lambda name, _attempt: "fail" if name == "b" else "go",
        takes=lambda name, _move, _number: 5.0 if name == "a" else 1.0,
    )
    execution, error = run(workers)
    assert (error, execution.clock.now) == (Failure.FINAL, 1.0)
    assert set(workers.began) == {"a", "b"}


def test_a_job_that_nobody_answers_is_sent_again() -> None:
    """Silence uses up no attempt: the job is sent again when its heartbeat is missed, with a token of its own."""
    workers = Workers(plan_of(stage("a", retry={"max_attempts": 1})), takes=silent_at(run=3))
    execution, error = run(workers)
    assert (error, workers.attempts["a"], len(workers.tokens)) == (None, 1, 4)
    assert execution.clock.now == 3 * 900 + (1 + 2 + 4) + 1


def test_a_stage_that_the_state_machine_gives_up_is_skipped() -> None:
    """Where `on_error` says skip, even silence for months ends the stage, and the task goes on."""
    plan = plan_of(stage("a", on_error="skip"), stage("b", "a"))
    workers = Workers(plan, takes=lambda name, move, _number: inf if (name, move) == ("a", "run") else 1.0)
    assert run(workers)[1] is None
    assert workers.status == {"a": StageStatus.SKIPPED, "b": StageStatus.COMPLETED}


def test_a_skipped_stage_sends_no_message() -> None:
    """A stage that is not wanted is passed by without a message, and so is one further down that follows from it."""
    plan = plan_of(
        stage("a"),
        stage("b", "a", when="input.no"),
        stage("c", "b", when="results.b.go"),
        stage("d", "c", "a"),
    )
    workers = Workers(plan)
    execution, error = run(workers)
    assert error is None
    assert workers.messages == [("a", "run"), ("d", "run")]
    assert [name for _, name in execution.entered if name.endswith(".skipped")] == ["b.skipped", "c.skipped"]


def test_a_stage_without_needs_may_be_skipped() -> None:
    """Whether a stage that needs nothing is wanted is told by the input of the execution."""
    plan = plan_of(stage("a", when="input.yes"), stage("b", when="input.no"), stage("c", "a", "b"))
    workers = Workers(plan, input={"yes": True})
    assert run(workers)[1] is None
    assert workers.messages == [("a", "run"), ("c", "run")]


@pytest.mark.parametrize("max_items", [100, 10_000], ids=["inline", "distributed"])
def test_a_fan_out_does_its_items_and_joins(max_items: int) -> None:
    """Every item is done once, no more at a time than `concurrency`, and what follows waits for the join."""
    plan = plan_of(fan_out("f", max_items=max_items), stage("g", "f"))
    workers = Workers(plan, items=range(10))
    _, error = run(workers)
    moves = [move for name, move in workers.messages if name == "f"]
    assert (error, moves) == (None, ["open", *["item"] * 10, "join"])
    assert workers.most_items_at_work == 3
    assert workers.began["g"] == 1 + 4 + 1  # opened, ten items three at a time, joined
    assert compiled(plan).inline == ({"f"} if max_items == 100 else set())


def test_a_fan_out_over_nothing_ends() -> None:
    """An empty list is joined at once."""
    workers = Workers(plan_of(fan_out("f"), stage("g", "f")))
    assert run(workers)[1] is None
    assert [move for _, move in workers.messages] == ["open", "join", "run"]


def test_a_tolerated_item_ends_alone() -> None:
    """An item that fails for good and is tolerated stops neither the others nor the join."""
    workers = Workers(plan_of(fan_out("f", tolerate=2)), items=range(5), failing_items=frozenset({1, 3}))
    assert run(workers)[1] is None
    assert [move for _, move in workers.messages].count("item") == 5


def test_the_numbers_of_items_are_not_carried_on() -> None:
    """What is carried from a fan-out to the states after it stays small."""
    definition = compiled(plan_of(fan_out("f"), stage("g", "f"))).definition
    items = definition["States"]["f.items"]
    assert (items["ResultPath"], items["ResultSelector"]) == ("$.open", {"done": True})
    assert all(one.get("OutputPath", "") is None for one in items["ItemProcessor"]["States"].values())


def test_an_approval_waits_for_its_answer() -> None:
    """An approval asks once and goes on when it is answered, be it much later than any heartbeat."""
    plan = plan_of(approval("ok", timeout_s=1e6), stage("b", "ok"), deadline_s=2e6)
    workers = Workers(plan, takes=lambda name, _move, _number: 500_000.0 if name == "ok" else 1.0)
    assert run(workers)[1] is None
    assert workers.messages == [("ok", "ask"), ("b", "run")]
    assert workers.began["b"] == 500_000


def test_an_approval_that_nobody_answers_is_escalated_then_expires() -> None:
    """After `timeout_s` others are asked too, after their time the worker ends it: nothing is asked twice."""
    plan = plan_of(approval("ok", escalate_to=["lead"], escalate_timeout_s=30), stage("b", "ok"))
    workers = Workers(plan, takes=silent_at(ask=1, escalate=1))
    assert run(workers)[1] is None
    assert [move for name, move in workers.messages if name == "ok"] == ["ask", "escalate", "expire"]
    assert workers.began["b"] == 60 + 30 + 1


def test_an_approval_without_a_timeout_waits_for_as_long_as_the_task() -> None:
    """Without `timeout_s` no clock of the state machine ends an approval."""
    asking = only(plan_of(approval("ok", timeout_s=None)), "ok")
    assert not {"TimeoutSeconds", "HeartbeatSeconds", "Catch"} & set(asking)


def test_a_nested_task_may_take_long() -> None:
    """The state of a nested task has no time of its own: the task that it waits for has a deadline."""
    plan = plan_of({"name": "n", "kind": "task", "task": {"template": "other"}}, deadline_s=1e6)
    assert run(Workers(plan, takes=lambda *_: 500_000.0))[1] is None
    assert not {"TimeoutSeconds", "HeartbeatSeconds"} & set(only(plan, "n"))


def test_a_wait_costs_no_worker() -> None:
    """A wait is a native Wait between two short messages, which tell PostgreSQL of its begin and its end."""
    plan = plan_of(stage("a"), wait("w", "a", for_s=3600), stage("b", "w"), deadline_s=9000)
    workers = Workers(plan)
    assert run(workers)[1] is None
    assert [move for name, move in workers.messages if name == "w"] == ["begin", "end"]
    assert workers.began["b"] == 1 + 1 + 3600 + 1
    assert only(plan, "w.until")["Type"] == "Wait"


def saga(*, answers: dict[str, Answer]) -> Workers:
    stages = [
        stage("book", undo="unbook"),
        stage("pay", "book", undo="refund"),
        stage("send", "pay", retry={"max_attempts": 1}),
        stage("unbook"),
        stage("refund"),
    ]
    plan = plan_of(*stages, output="send")
    return Workers(plan, answer=lambda name, _attempt: answers.get(name, "go"))


def test_what_completed_is_undone_last_first() -> None:
    """When a task fails, the stages that undo what has completed run one after the other, the last stage's first."""
    workers = saga(answers={"send": "fail"})
    assert run(workers)[1] == Failure.FINAL
    assert workers.undone == ["refund", "unbook"]


def test_what_did_not_complete_is_not_undone() -> None:
    """A stage that did not complete has nothing to undo."""
    workers = saga(answers={"pay": "refuse"})
    assert run(workers)[1] == Failure.FINAL
    assert workers.undone == ["unbook"]


def test_an_undo_that_fails_stops_no_other() -> None:
    """What cannot be undone keeps nothing else from being undone."""
    workers = saga(answers={"send": "fail", "refund": "refuse"})
    assert run(workers)[1] == Failure.FINAL
    assert workers.undone == ["refund", "unbook"]


def test_a_task_that_completes_undoes_nothing() -> None:
    """The stages that undo run only when the task fails."""
    workers = saga(answers={})
    assert run(workers)[1] is None
    assert workers.undone == []
