"""The chaos checker finds each kind of fault in fan-outs, sagas, approvals and pauses, and nothing in sound ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.chaos.checker import check
from bench.chaos.history import Line, Order, RunHistory, TaskHistory
from tests.unit.bench.sound_history import COST
from tests.unit.bench.sound_ways import answer, asking, fan_out, item, run, saga

PARENT, *ITEMS = fan_out()


def rules(found: RunHistory) -> set[str]:
    return {finding.rule for finding in check(found)}


def at(task: TaskHistory, event: str, moment: float) -> TaskHistory:
    """Return the task with its event at another time."""
    return replace(task, log=[replace(line, at=moment) if line.event == event else line for line in task.log])


def without(task: TaskHistory, event: str, stage: str | None) -> TaskHistory:
    return replace(task, log=[line for line in task.log if (line.event, line.stage) != (event, stage)])


def with_stage(task: TaskHistory, name: str, **changes: Any) -> TaskHistory:
    return replace(task, stages={**task.stages, name: replace(task.stages[name], **changes)})


def with_output(**changes: Any) -> TaskHistory:
    return with_stage(PARENT, "each", output={**(PARENT.stages["each"].output or {}), **changes})


def test_sound_ways_have_no_finding() -> None:
    """A fan-out with a failed item, a saga that undid itself, and an approval are in order."""
    assert check(run(*fan_out(), saga(), asking(), orders=[answer()])) == []


FAMILIES: dict[str, tuple[list[TaskHistory], str]] = {
    "an item that is not there": ([PARENT, *ITEMS[:2]], "each item is there once"),
    "an item twice": ([PARENT, *ITEMS, ITEMS[0]], "each item is there once"),
    "an item that nobody started": (
        [without(PARENT, "stage.spread", "each"), *ITEMS],
        "each item is there once",
    ),
    "a join before an item's end": (
        [PARENT, *ITEMS[:2], at(ITEMS[2], "task.completed", 4.05)],
        "a join waits for all",
    ),
    "an output that no item gave": ([with_output(items=[{}, None, {}]), *ITEMS], "a join sees every item"),
    "an item counted twice": ([with_output(completed=3), *ITEMS], "a join sees every item"),
    "an item that its join did not see": (
        [replace(PARENT, executions=[replace(PARENT.executions[0], seen_items=[0])]), *ITEMS],
        "a join sees every item",
    ),
    "too many failures": (
        [
            with_output(completed=1, failed=2, items=[ITEMS[0].row.output, None, None]),
            *ITEMS[:2],
            item(2, fails=True),
        ],
        "a join sees every item",
    ),
    "three at work where two may be": (
        [PARENT, *ITEMS[:2], at(ITEMS[2], "stage.started", 1.5)],
        "no more at work than the limit",
    ),
    "a failure for too few items": (
        [with_stage(PARENT, "each", status="failed", error={"code": "children_failed"}), *ITEMS],
        "a stage fails for its items",
    ),
    "an item that goes on alone": (
        [PARENT, *ITEMS[:2], at(ITEMS[2], "stage.completed", 9.0)],
        "no task is left behind",
    ),
    "a cost that was paid twice": (
        [with_stage(PARENT, "each", cost_usd=3 * COST), *ITEMS],
        "costs of started tasks count once",
    ),
}


@pytest.mark.parametrize("fault", FAMILIES)
def test_faults_in_families_are_found(fault: str) -> None:
    """A fan-out whose items are not there once, joined whole, within the limit and paid once is reported."""
    tasks, rule = FAMILIES[fault]
    assert rule in rules(run(*tasks))


@pytest.mark.parametrize(("failed", "wrong"), [((1,), True), ((1, 2), False)])
def test_a_join_by_a_later_attempt_is_held_to_the_items_of_the_earlier(
    failed: tuple[int, ...], wrong: bool
) -> None:
    """When a join's worker died, its next attempt is judged by the items that the attempt before started."""
    parent = with_stage(PARENT, "each", status="failed", error={"code": "children_failed"}, attempt=2)
    items = [item(place, fails=place in failed) for place in range(3)]
    assert ("a stage fails for its items" in rules(run(parent, *items))) is wrong


def _reordered() -> TaskHistory:
    return with_stage(with_stage(saga(), "one", finished_at=2.0), "two", finished_at=1.0)


def _undone_too_little() -> TaskHistory:
    task = saga()
    left = {name: stage for name, stage in task.stages.items() if name != "no_one"}
    return replace(task, stages=left, log=[line for line in task.log if line.stage != "no_one"])


def _both_at_once() -> TaskHistory:
    task = saga()
    log = list(task.log)
    moved = log.pop(14)  # no_one is ready before no_two has ended
    return replace(task, log=[*log[:12], moved, *log[12:]])


UNDOING: dict[str, tuple[Callable[[], TaskHistory], str]] = {
    "the wrong order": (_reordered, "undone in reverse order"),
    "a stage that was not undone": (_undone_too_little, "what completed is undone, nothing else"),
    "a failure before the end of undoing": (_undone_too_little, "a task fails when it is undone"),
    "two stages that undo at once": (_both_at_once, "undone one after the other"),
    "something undone that never was": (
        lambda: with_stage(saga(), "two", status="cancelled"),
        "what completed is undone, nothing else",
    ),
    "a failure that undid nothing": (
        lambda: without(saga(), "task.undoing", None),
        "a task fails when it is undone",
    ),
}


@pytest.mark.parametrize("fault", UNDOING)
def test_faults_in_undoing_are_found(fault: str) -> None:
    """A task whose completed stages are not undone once, one by one, the last first, before it fails is reported."""
    broken, rule = UNDOING[fault]
    assert rule in rules(run(broken()))


ANSWERS: dict[str, tuple[TaskHistory, list[Order], str]] = {
    "an answer that was lost": (
        without(asking(), "stage.answered", "ask"),
        [answer()],
        "a confirmed answer counts",
    ),
    "an answer that was turned": (asking(), [answer(approved=False)], "a confirmed answer counts"),
    "an answer that nobody gave": (asking(), [], "nobody else answers"),
    "an answer of two": (asking(), [answer(), answer(key="operator-2")], "a confirmed answer counts"),
}


@pytest.mark.parametrize("fault", ANSWERS)
def test_faults_in_answers_are_found(fault: str) -> None:
    """A confirmed answer that did not count, and one that counted though nobody gave it, are reported."""
    task, orders, rule = ANSWERS[fault]
    assert rule in rules(run(task, orders=orders))


def test_a_stage_that_begins_while_its_task_is_paused_is_found() -> None:
    """A start some seconds after its task, or the task above it, was paused is reported; one just after is not."""
    paused, resumed = (
        Line(50, None, "task.paused", None, at=0.6),
        Line(51, None, "task.resumed", None, at=30.0),
    )
    log = [*PARENT.log[:4], paused, resumed, *PARENT.log[4:]]
    broken = rules(run(replace(PARENT, log=log), *ITEMS))
    assert "a paused task stands" in broken
    soon = replace(PARENT, log=[*PARENT.log[:4], replace(paused, at=3.9), resumed, *PARENT.log[4:]])
    assert "a paused task stands" not in rules(run(soon, *ITEMS))


@pytest.mark.parametrize(("scope", "name"), [("template", "fan_out"), ("queue", "agent")])
def test_a_stage_that_begins_while_its_template_or_queue_is_paused_is_found(scope: str, name: str) -> None:
    """A start long after a pause was confirmed and before anybody asked to resume is reported."""
    paused = Order(what="pause", scope=scope, name=name, asked_at=-9.0, answered_at=-8.0, status=200)
    resumed = Order(what="resume", scope=scope, name=name, asked_at=-7.0)
    assert "what is paused stands" in rules(run(PARENT, *ITEMS, orders=[paused]))
    assert "what is paused stands" not in rules(run(PARENT, *ITEMS, orders=[paused, resumed]))
    elsewhere = [replace(one, row=replace(one.row, project="metered")) for one in (PARENT, *ITEMS)]
    assert "what is paused stands" not in rules(run(*elsewhere, orders=[paused]))
