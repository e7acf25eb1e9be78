"""The flag of open work: a sleep ends when something is submitted or due, and when Redis forgot."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from steersman.tasks.open_work import OpenWork

FAR = timedelta(days=300)


@pytest.fixture
def open_work(redis_client: redis.Redis) -> OpenWork:
    return OpenWork(redis_client)


def sleep(open_work: OpenWork, until: datetime | None) -> None:
    """Let two sweeps in a row find nothing."""
    for _ in range(2):
        open_work.quiet(open_work.possible()[1], until=until)


def looks(open_work: OpenWork) -> bool:
    return open_work.possible()[0]


def test_a_sleep_ends_when_something_is_due(open_work: OpenWork) -> None:
    """Until the time that was given the sweep may sleep, and from then on it looks, by the clock of Redis."""
    sleep(open_work, datetime.now(UTC) + FAR)
    assert not looks(open_work)
    sleep(open_work, datetime.now(UTC) - timedelta(milliseconds=1))
    assert looks(open_work)


def test_without_a_time_a_sleep_lasts(open_work: OpenWork, redis_client: redis.Redis) -> None:
    """Where nothing will be due no time ends the sleep, also when one was given before."""
    sleep(open_work, datetime.now(UTC) + FAR)
    sleep(open_work, None)
    assert redis_client.pttl("steersman:open-work:asleep") == -1
    assert not looks(open_work)


def test_a_submission_ends_every_sleep(open_work: OpenWork) -> None:
    """What is submitted, or stored with an earlier time, is not slept over."""
    for until in (None, datetime.now(UTC) + FAR):
        sleep(open_work, until)
        open_work.submitted()
        assert looks(open_work)


def test_an_emptied_redis_ends_every_sleep(open_work: OpenWork, redis_client: redis.Redis) -> None:
    """Whichever of its keys is lost, or all of them, the sweep looks."""
    keys = [b"steersman:open-work", b"steersman:open-work:asleep"]
    for lost in ([keys[0]], [keys[1]], keys):
        sleep(open_work, datetime.now(UTC) + FAR)
        assert not looks(open_work)
        assert sorted(redis_client.keys()) == keys
        redis_client.delete(*lost)
        assert looks(open_work)


def test_one_quiet_sweep_is_not_enough(open_work: OpenWork) -> None:
    """A sleep needs two sweeps in a row under one count, for a submission may be under way at the first."""
    open_work.quiet(open_work.possible()[1], until=datetime.now(UTC) + FAR)
    assert looks(open_work)
