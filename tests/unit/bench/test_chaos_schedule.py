"""A chaos run is made of its seed: the same each time, and with everything in it."""

from collections import Counter
from itertools import islice

from bench.chaos.behaviour import behaviour
from bench.chaos.schedule import (
    FOLLOWERS,
    OF_MACHINES,
    Kind,
    Role,
    Submit,
    failpoints,
    make,
    names_of,
    skew_s,
)
from steersman.failpoints import NAMES, armed

ARMED = [Role.WORKER, Role.SUBMITTER, Role.SWEEPER]  # the others die at random moments only


def test_a_seed_gives_the_same_run_again() -> None:
    """Schedules, failpoints, clocks and agents of one seed are equal; another seed's are not."""
    assert make(3, 300, 60.0) == make(3, 300, 60.0)
    assert make(3, 300, 60.0) != make(4, 300, 60.0)
    assert list(islice(failpoints(3, Role.WORKER, 0, 2), 50)) == list(
        islice(failpoints(3, Role.WORKER, 0, 2), 50)
    )
    assert behaviour(3, 7, "intent", 1) == behaviour(3, 7, "intent", 1)
    assert skew_s(3, Role.WORKER, 0, 5) == skew_s(3, Role.WORKER, 0, 5)


def test_every_task_is_submitted_once_and_some_requests_are_repeated() -> None:
    """The first requests of all keys carry each number once; repeated ones carry the same tasks."""
    plan = make(5, 1000, 60.0)
    requests = [move for own in plan.moves for move in own if isinstance(move, Submit)]
    first = [task.number for move in requests if not move.again for task in move.tasks]
    assert sorted(first) == sorted(plan.numbers) == list(range(1, 1001))
    by_key = {move.key: move.tasks for move in requests if not move.again}
    again = [move for move in requests if move.again]
    assert again
    assert all(by_key[move.key] == move.tasks for move in again)


def test_every_failpoint_is_on_the_way_of_some_role() -> None:
    """The roles together pass every failpoint of a run, and each is armed in a role's first round, at once."""
    assert {name for role in Role for name in names_of(role)} == set(NAMES) - OF_MACHINES
    for role in ARMED:
        names = names_of(role)
        first = [
            setting for place in (0, 1) for setting in islice(failpoints(1, role, place, 2), len(names) // 2)
        ]
        assert {setting.partition(":")[2] for setting in first} == {"1"}
        assert len(set(first)) == len(names) // 2 * 2


def test_failpoints_can_be_armed_and_come_in_turn() -> None:
    """Each setting is one that the product takes, and no name is left out of many lives."""
    settings = list(islice(failpoints(9, Role.WORKER, 0, 1), 200))
    assert all(armed(setting) for setting in settings)
    counts = Counter(setting.partition(":")[0] for setting in settings)
    assert set(counts) == set(names_of(Role.WORKER))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_even_a_short_run_has_every_kind_of_accident() -> None:
    """Kills, stalls, an emptied cache, restarts of both servers and a midnight happen in a storm of twenty seconds."""
    assert {accident.kind for accident in make(1, 200, 20.0).accidents} == set(Kind)


def test_followers_are_killed_in_a_short_run_too() -> None:
    """In a storm of twenty seconds followers die at random moments, in each of their places with some seed."""
    killed = [
        {
            accident.place
            for accident in make(seed, 200, 20.0).accidents
            if (accident.kind, accident.role) == (Kind.KILL, Role.FOLLOWER)
        }
        for seed in range(10)
    ]
    assert all(killed)
    assert set.union(*killed) == set(range(FOLLOWERS))


def test_the_clocks_of_submitters_are_wrong_by_a_minute_at_most() -> None:
    """A submitter's clock makes a task's deadline: it must not be past before the task begins."""
    drawn = [skew_s(1, Role.SUBMITTER, 0, life) for life in range(200)]
    assert max(map(abs, drawn)) == 60.0
    assert max(abs(skew_s(1, Role.WORKER, 0, life)) for life in range(200)) == 720.0
