"""The chaos checker finds each kind of fault in limits and budgets of the day, and nothing in sound ones."""

from dataclasses import replace

import pytest

from bench.chaos.checker import check
from bench.chaos.history import Incident, RunHistory
from tests.unit.bench.sound_limits import AGENT, call, limit, limited, waited

NARROW_TWICE = (call(1, 50.0, 60.0, agent=AGENT), call(2, 52.0, 53.0, agent=AGENT))
THREE = (call(1, 50.0, 53.0), call(2, 51.0, 53.0), call(3, 52.0, 53.0))
EMPTIED = Incident("empty_redis", 50.5, 50.6)
MIDNIGHT = Incident("midnight", 60.0, 60.1)
SPENT = call(1, 50.0, 51.0, usd="0.05")


def rules(found: RunHistory) -> set[str]:
    return {finding.rule for finding in check(found)}


def test_sound_limits_have_no_finding() -> None:
    """Two stages of a project that may have two, one call after the other of an agent, and a wait are in order."""
    two = (call(1, 50.0, 53.0, agent=AGENT), call(2, 51.0, 53.0), call(3, 53.0, 54.0, agent=AGENT))
    assert check(limited(*two)) == []
    assert check(limited(SPENT, waited(2, 55.0, 70.0), orders=[limit(40.0, "0.05"), limit(69.0, None)])) == []


def test_a_project_beyond_its_limit_is_found() -> None:
    """Three stages at work at once where two may be are reported, but for a while after Redis lost what it held."""
    assert rules(limited(*THREE)) == {"a project stays within its limit"}
    assert rules(limited(*THREE, incidents=[EMPTIED])) == set()


def test_an_agent_beyond_its_limit_is_found() -> None:
    """Two calls at once of an agent that takes one are reported, but for a while after Redis lost what it held."""
    assert rules(limited(*NARROW_TWICE)) == {"an agent stays within its limit"}
    assert rules(limited(*NARROW_TWICE, incidents=[EMPTIED])) == set()


def test_a_place_is_not_kept_for_ever_for_a_worker_that_stands_still() -> None:
    """A call that takes longer than a place is kept counts no longer than that."""
    still, later = call(1, 50.0, 60.0, agent=AGENT), call(2, 56.0, 57.0, agent=AGENT)
    assert rules(limited(still, later)) == set()


def test_a_stage_that_begins_behind_a_spent_day_is_found() -> None:
    """A stage that begins long after the budget of the day was spent is reported, one that soon begins is not."""
    order = limit(40.0, "0.05")
    rule = {"a spent budget of the day stops what follows"}
    assert rules(limited(SPENT, call(2, 58.0, 59.0), orders=[order])) == rule
    assert rules(limited(SPENT, call(2, 53.0, 54.0), orders=[order])) == set()


@pytest.mark.parametrize("status", [200, 503, None])
def test_a_stage_may_begin_once_a_spent_day_may_have_been_raised(status: int | None) -> None:
    """From the moment in which somebody asks for another budget nothing is certain, whatever is answered."""
    orders = [limit(40.0, "0.05"), limit(57.0, "9", status=status)]
    assert rules(limited(SPENT, call(2, 58.0, 59.0), orders=orders)) == set()


def test_a_new_day_has_a_budget_of_its_own() -> None:
    """After midnight a stage may begin, until that day's budget is spent too."""
    order, again = limit(40.0, "0.05"), call(2, 63.0, 64.0, usd="0.05")
    assert rules(limited(SPENT, again, orders=[order], incidents=[MIDNIGHT])) == set()
    late = call(3, 70.0, 71.0)
    rule = {"a spent budget of the day stops what follows"}
    assert rules(limited(SPENT, again, late, orders=[order], incidents=[MIDNIGHT])) == rule


def test_what_just_begins_when_postgresql_is_away_is_forgiven() -> None:
    """Nobody knows what was spent while PostgreSQL is restarted: what was claimed just then may begin."""
    restart = Incident("restart_postgres", 58.0, 59.0)
    late = call(2, 58.2, 59.0)
    assert rules(limited(SPENT, late, orders=[limit(40.0, "0.05")], incidents=[restart])) == set()


def test_a_stage_that_waits_for_an_unspent_day_is_found() -> None:
    """A wait for the budget of the day is reported where less was spent than any limit that may have held."""
    rule = {"an unspent budget stops nothing"}
    task = waited(2, 55.0, 70.0)
    assert rules(limited(SPENT, task, orders=[limit(40.0, "0.06")])) == rule
    assert rules(limited(SPENT, task, orders=[limit(40.0, "0.05"), limit(45.0, "0.06")])) == rule
    assert rules(limited(SPENT, task, orders=[limit(40.0, "0.05"), limit(54.9, "0.06")])) == set()


def test_a_stage_that_waits_for_the_budget_of_the_day_before_is_found() -> None:
    """What was spent before midnight stops nothing after it."""
    found = limited(SPENT, waited(2, 65.0, 70.0), orders=[limit(40.0, "0.05")], incidents=[MIDNIGHT])
    assert rules(found) == {"an unspent budget stops nothing"}


def test_a_wait_that_nobody_ends_is_found() -> None:
    """A task that still waits for the budget of the day when the run is at rest is reported."""
    task = waited(2, 55.0, 70.0)
    broken = replace(task, row=replace(task.row, status="awaiting", finished=False))
    assert "every accepted task ends" in rules(limited(SPENT, broken, orders=[limit(40.0, "0.05")]))
