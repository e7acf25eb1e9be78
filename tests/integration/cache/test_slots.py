"""Counted places in Redis: never more than the limit, kept for who waits, free again after silence."""

import threading
from collections import Counter

import pytest
import redis

from steersman.cache import slots as slots_module
from steersman.cache.connection import connect
from steersman.cache.slots import NO_LIMIT, Ask, Slots, Waiter
from steersman.errors import Unavailable
from tests.fixtures import absent

HOLD_S = 30.0


@pytest.fixture
def slots(redis_client: redis.Redis) -> Slots:
    return Slots(redis_client)


def asks(*holders: str, ways: list[list[str]] | None = None) -> list[Ask]:
    return [Ask(holder, ways or [["a"]]) for holder in holders]


def waiting(*holders: str, name: str = "a", rank: int = 0) -> list[Waiter]:
    return [Waiter(name, rank, holder, f"of {holder}") for holder in holders]


def test_no_more_than_the_limit_get_a_place(slots: Slots) -> None:
    """As many as the limit says get a place, in the order in which they ask; who is refused is told what is full."""
    assert slots.take(asks("1", "2", "3"), {"a": 2}, hold_s=HOLD_S) == [0, 0, "a"]
    assert slots.take(asks("4"), {"a": 2}, hold_s=HOLD_S) == ["a"]


def test_a_place_asked_for_again_is_the_same_place(slots: Slots) -> None:
    """Who holds a place and asks again keeps it, and takes no second one."""
    slots.take(asks("1"), {"a": 2}, hold_s=HOLD_S)
    assert slots.take(asks("1", "1", "2", "3"), {"a": 2}, hold_s=HOLD_S) == [0, 0, 0, "a"]


def test_places_that_are_needed_together_are_taken_together(slots: Slots) -> None:
    """Who needs places of two names gets both or none: what is free stays free for others."""
    most = {"a": 1, "b": 1}
    slots.take(asks("1", ways=[["b"]]), most, hold_s=HOLD_S)
    both = asks("2", ways=[["a", "b"]])
    assert slots.take([*both, *asks("3")], most, hold_s=HOLD_S) == ["b", 0]


def test_the_first_free_way_is_taken(slots: Slots) -> None:
    """Where the preferred name is full the next one serves; one without any place to take always does."""
    most = {"a": 1, "b": 1}
    three = asks("1", "2", "3", ways=[["a"], ["b"]])
    assert slots.take(three, most, hold_s=HOLD_S) == [0, 1, "a"]
    assert slots.take(asks("4", ways=[["a"], []]), most, hold_s=HOLD_S) == [1]


def test_a_free_place_is_kept_for_who_waits_longest(slots: Slots) -> None:
    """Who comes later does not get the place that became free: it is kept for the first who waits, who is told of."""
    slots.take(asks("1"), {"a": 1}, hold_s=HOLD_S)
    assert slots.settle({"a": 1}, comes=waiting("2", "3")) == []
    assert slots.settle({"a": 1}, left=[("a", "1")]) == [("2", "of 2")]
    assert slots.take(asks("4", "2"), {"a": 1}, hold_s=HOLD_S) == ["a", 0]


def test_lower_ranks_wait_less(slots: Slots) -> None:
    """Of those that wait, who has the lower rank goes first, whoever came first."""
    slots.take(asks("1"), {"a": 1}, hold_s=HOLD_S)
    slots.settle({"a": 1}, comes=[*waiting("2", rank=1), *waiting("3", rank=0)])
    assert slots.settle({"a": 1}, left=[("a", "1")]) == [("3", "of 3")]


def test_who_comes_to_wait_after_the_last_has_left_does_not_wait(slots: Slots) -> None:
    """A place that became free between the refusal and the wait is given at once: nobody else would tell of it."""
    slots.take(asks("1"), {"a": 1}, hold_s=HOLD_S)
    assert slots.take(asks("2"), {"a": 1}, hold_s=HOLD_S) == ["a"]
    slots.settle({"a": 1}, left=[("a", "1")])
    assert slots.settle({"a": 1}, comes=waiting("2")) == [("2", "of 2")]


def test_who_is_refused_gives_up_what_was_kept_for_it(slots: Slots) -> None:
    """A place kept for one that is refused elsewhere goes to the next who waits."""
    most = {"a": 1, "b": 1}
    slots.take([*asks("1"), *asks("9", ways=[["b"]])], most, hold_s=HOLD_S)
    slots.settle(most, comes=waiting("2", "3"))
    slots.settle(most, left=[("a", "1")])
    assert slots.take(asks("2", ways=[["a", "b"]]), most, hold_s=HOLD_S) == ["b"]
    assert slots.settle(most, comes=waiting("2", name="b")) == [("3", "of 3")]


def test_the_places_of_the_silent_are_free(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that does not renew loses its place when its time is over, and so does who never came for a kept one."""
    monkeypatch.setattr(slots_module, "RESERVED_S", 0.001)
    slots.take(asks("1"), {"a": 1}, hold_s=0.001)
    while slots.take(asks("2"), {"a": 1}, hold_s=0.001) != [0]:
        pass
    slots.settle({"a": 1}, comes=waiting("3"), left=[("a", "2")])
    while slots.take(asks("4"), {"a": 1}, hold_s=HOLD_S) != [0]:
        pass


def test_what_is_waited_for_is_known(slots: Slots) -> None:
    """The names for which something waits are known as long as it does; without a limit all of them go."""
    slots.take(asks("1"), {"a": 1}, hold_s=HOLD_S)
    slots.settle({"a": 1}, comes=waiting("2", "3"))
    assert slots.waited() == ["a"]
    assert slots.settle({"a": NO_LIMIT}) == [("2", "of 2"), ("3", "of 3")]
    assert slots.waited() == []


def test_many_at_once_never_hold_more_than_the_limit(redis_url: str) -> None:
    """Workers that take, wait and leave side by side never hold more places than there are, and all get one."""
    held: Counter[str] = Counter()
    most_seen, lock, done = 0, threading.Lock(), []
    ready = [f"{worker}-{number}" for worker in range(4) for number in range(50)]

    def work() -> None:
        nonlocal most_seen
        slots = Slots(redis.Redis.from_url(redis_url))
        while len(done) < 200:
            with lock:
                mine = [ready.pop() for _ in range(min(7, len(ready)))]
            answers = slots.take(asks(*mine), {"a": 5}, hold_s=HOLD_S) if mine else []
            got = [one for one, answer in zip(mine, answers, strict=True) if answer == 0]
            with lock:
                held.update(got)
                most_seen = max(most_seen, held.total())
            refused = [one for one in mine if one not in got]
            with lock:
                held.subtract(got)
            free = slots.settle({"a": 5}, left=[("a", one) for one in got], comes=waiting(*refused))
            with lock:
                done.extend(got)
                ready.extend(holder for holder, _ in free)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == sorted({f"{worker}-{number}" for worker in range(4) for number in range(50)})
    assert most_seen <= 5


def test_a_cache_that_is_away_is_unavailable() -> None:
    """Every call raises Unavailable when Redis does not answer."""
    slots = Slots(connect(absent.redis_url()))
    for call in (
        lambda: slots.take(asks("1"), {"a": 1}, hold_s=HOLD_S),
        lambda: slots.settle({"a": 1}),
        slots.waited,
    ):
        with pytest.raises(Unavailable):
            call()
