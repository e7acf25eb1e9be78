"""The planner's decisions on work of every kind, carried out in memory, held to what was promised of it."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.tasks.families import MemoryFamily
from tests.unit.tasks.works import Work, completes, faults, works


def finish(work: Work, rng: random.Random) -> MemoryFamily:
    """Do work to its end in a random order."""
    family = MemoryFamily(work, rng)
    for _ in range(2000):
        if family.top.status != "running":
            return family
        moves = list(family.moves())
        rng.shuffle(moves)
        assert any(family.move(task, name) for task, name in moves), "an open task has nothing to do"
    raise AssertionError("the task does not end")


@settings(max_examples=300, deadline=None)
@given(works(), st.integers(0, 2**16))
def test_decisions_lead_to_what_was_promised(work: Work, seed: int) -> None:
    """Fan-outs, nested tasks, approvals, waits and undoing end as promised, in whatever order they are done."""
    family = finish(work, random.Random(seed))  # noqa: S311 - a drawn seed
    for task in family.tasks:
        assert task.status != "running", "a task is left behind"
        if not task.item:
            assert faults(task.work, task.status, task.shown(), task.error) == []


@settings(max_examples=100, deadline=None)
@given(works(), st.integers(0, 2**16), st.integers(0, 2**16))
def test_the_order_of_work_does_not_change_what_completes(work: Work, one: int, other: int) -> None:
    """Work that completes in one order completes in every order, with the same output."""
    first, second = (finish(work, random.Random(seed)).top for seed in (one, other))  # noqa: S311 - drawn seeds
    assert first.status == second.status == ("completed" if completes(work) else "failed")
    if completes(work):
        assert first.output == second.output
