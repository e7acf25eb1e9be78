"""When schedules come: cron in a time zone, rates, and what a time that has come leads to."""

import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.errors import InvalidInput
from steersman.tasks.schedule_times import (
    LATE_S,
    CatchUp,
    Move,
    Overlap,
    Rate,
    When,
    WhenKind,
    move,
    parse,
    upcoming,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def cron(expression: str, timezone: str = "UTC") -> When:
    return parse(WhenKind.CRON, expression, timezone, now=NOW)


def times(expression: str, timezone: str, after: str, number: int) -> list[str]:
    """Return the next times in UTC, as text to the minute."""
    when, moment = cron(expression, timezone), datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = upcoming(when, when.after(moment, moment), number)
    return [f"{time:%m-%d %H:%M}" for time in found]


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "expected"),
    [
        ("0 2 * * *", "UTC", "2026-11-21T02:00:00", ["11-22 02:00", "11-23 02:00"]),
        ("0 2 * * *", "Asia/Kolkata", "2026-11-21T00:00:00", ["11-21 20:30", "11-22 20:30"]),
        ("*/20 9-17 * * mon-fri", "UTC", "2026-11-20T17:20:00", ["11-20 17:40", "11-23 09:00"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00", ["02-29 00:00", "02-29 00:00"]),
        ("0 0 L * *", "UTC", "2026-11-21T00:00:00", ["11-30 00:00", "12-31 00:00"]),
        ("0 0 1 * mon", "UTC", "2026-11-21T00:00:00", ["11-23 00:00", "11-30 00:00", "12-01 00:00"]),
    ],
)
def test_a_cron_expression_has_its_times(
    expression: str, timezone: str, after: str, expected: list[str]
) -> None:
    """Times come in order, on the clocks of the schedule's time zone, strictly after the moment asked for."""
    assert times(expression, timezone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        # On 2026-03-29 clocks go from 02:00 to 03:00, which is 01:00 UTC.
        ("30 2 * * *", "2026-03-28T00:00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("15,45 2 * * *", "2026-03-28T12:00:00", ["03-29 01:00", "03-30 00:15"]),
        ("0 3 * * *", "2026-03-28T12:00:00", ["03-29 01:00", "03-30 01:00"]),
        ("*/30 * * * *", "2026-03-29T00:30:00", ["03-29 01:00", "03-29 01:30"]),
        # On 2026-10-25 they go from 03:00 back to 02:00, which is 01:00 UTC: 02:30 is 00:30 and 01:30 UTC.
        ("30 2 * * *", "2026-10-24T12:00:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 2 * * *", "2026-10-25T01:10:00", ["10-26 01:30"]),
        ("0 3 * * *", "2026-10-24T12:00:00", ["10-25 02:00", "10-26 02:00"]),
        ("*/30 * * * *", "2026-10-25T00:00:00", ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]),
    ],
)
def test_changes_of_clocks_neither_lose_nor_double_a_time(
    expression: str, after: str, expected: list[str]
) -> None:
    """A time that clocks leave out comes at once after it, one that they show twice comes once, rates go on."""
    assert times(expression, BERLIN, after, len(expected)) == expected


@given(
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 */2 * * *", "5,35 1-3 * * *", "0 0 1 1,4,11 *"]),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "UTC"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_next_time_is_the_first_behind_a_moment(expression: str, timezone: str, moment: datetime) -> None:
    """The next time lies behind the moment, and no time lies between: asked from between, it is the same."""
    when = cron(expression, timezone)
    found = when.after(moment, moment)
    assert found > moment
    assert when.after(moment + (found - moment) / 2, moment) == found
    assert when.after(found, moment) > found


@pytest.mark.parametrize(
    ("expression", "timezone", "field", "words"),
    [
        ("0 0 31 2 *", "UTC", "cron", "never comes"),
        ("0 0 31 4,6 *", "UTC", "cron", "never comes"),
        ("0 0 */20 * 1L", "UTC", "cron", "never comes"),
        ("0 0 32 1 *", "UTC", "cron", "day of month cannot be read"),
        ("60 * * * *", "UTC", "cron", "minute cannot be read"),
        ("* * * * x", "UTC", "cron", "day of week cannot be read"),
        ("0 0 * * MON#1/2", "UTC", "cron", "day of week cannot be read"),
        ("0 0 0 * * *", "UTC", "cron", "five fields"),
        ("@daily", "UTC", "cron", "five fields"),
        ("", "UTC", "cron", "five fields"),
        ("0 0 * * ?", "UTC", "cron", "five fields"),
        ("0 0 * * *", "Europe/Atlantis", "timezone", "no time zone 'Europe/Atlantis'"),
        ("0 0 * * *", "America", "timezone", "no time zone"),
        ("0 0 * * *", "../etc/passwd", "timezone", "no time zone"),
        ("0 0 * * *", "localtime", "timezone", "no time zone"),
        ("0 0 * * *", "", "timezone", "no time zone"),
    ],
)
def test_what_has_no_times_is_refused_by_name(expression: str, timezone: str, field: str, words: str) -> None:
    """An expression that cannot be read or never comes, and a zone that does not exist, are named with the reason."""
    with pytest.raises(InvalidInput) as refused:
        cron(expression, timezone)
    (fault,) = refused.value.faults
    assert fault.field == field
    assert words in fault.reason


@given(st.text("0123*/-,#LW MON", max_size=20))
def test_any_text_has_times_or_is_refused(expression: str) -> None:
    """Whatever is given for an expression, it is read or refused by name; nothing else happens."""
    with suppress(InvalidInput):
        when = cron(expression)
        assert when.after(NOW, NOW) > NOW


@pytest.mark.parametrize(
    ("expression", "every"),
    [
        ("1 minute", timedelta(minutes=1)),
        ("15 minutes", timedelta(minutes=15)),
        ("1 hour", timedelta(hours=1)),
        ("7 days", timedelta(days=7)),
        ("2 weeks", timedelta(weeks=2)),
    ],
)
def test_a_rate_comes_again_and_again(expression: str, every: timedelta) -> None:
    """A rate's times lie evenly from its beginning, however long nobody looked."""
    when = parse(WhenKind.RATE, expression, "UTC", now=NOW)
    assert upcoming(when, when.after(NOW, NOW), 3) == [NOW + every, NOW + 2 * every, NOW + 3 * every]
    assert when.after(NOW + 10.5 * every, NOW) == NOW + 11 * every
    assert when.after(NOW + 10 * every, NOW) == NOW + 11 * every


@pytest.mark.parametrize(
    "expression",
    ["0 minutes", "30 seconds", "-1 hours", "1.5 hours", "hour", "366 days", "1  hour", "1 month"],
)
def test_a_rate_that_is_none_is_refused_by_name(expression: str) -> None:
    """A rate below a minute, above a year, or in other words is refused."""
    with pytest.raises(InvalidInput) as refused:
        parse(WhenKind.RATE, expression, "UTC", now=NOW)
    assert [fault.field for fault in refused.value.faults] == ["rate"]


HOURLY = Rate(timedelta(hours=1))
NEXT = NOW + timedelta(hours=1)


def moved(late_s: float, when: When = HOURLY, **changes: object) -> Move:
    settings: dict[str, object] = {"overlap": Overlap.ALLOW, "catch_up": CatchUp.ONE, "last_open": False}
    now = NOW + timedelta(seconds=late_s)
    return move(when, due=NOW, now=now, **{**settings, **changes})  # type: ignore[arg-type]


def test_a_time_that_has_come_makes_its_task() -> None:
    """The task is made and the next time follows, also when the time is seen late but no other was missed."""
    for late_s in (0, 59, 3599):
        assert moved(late_s) == Move(True, NEXT, None)
        assert moved(late_s, catch_up=CatchUp.NONE) == Move(True, NEXT, None)


def test_times_that_passed_unseen_make_one_task_or_none() -> None:
    """After an outage longer than the interval one task stands for all missed times, or none, as the schedule says."""
    later = NOW + timedelta(hours=5)
    assert moved(4.5 * 3600) == Move(True, later, None)
    assert moved(4.5 * 3600, catch_up=CatchUp.NONE) == Move(False, later, "several times had passed unseen")


def test_a_sweep_that_comes_a_little_late_misses_nothing() -> None:
    """Schedules of every minute lose no time to the sweep's own rhythm."""
    minutely = Rate(timedelta(minutes=1))
    then = NOW + timedelta(minutes=1)
    assert moved(LATE_S, minutely, catch_up=CatchUp.NONE) == Move(True, then, None)
    assert not moved(LATE_S + 1, minutely, catch_up=CatchUp.NONE).makes_task


def test_an_open_task_holds_up_the_next_one_only_where_asked() -> None:
    """With overlap `skip` a time is left out while the last task is open; with `allow` it is not."""
    assert moved(0, last_open=True).makes_task
    skipped = moved(0, last_open=True, overlap=Overlap.SKIP)
    assert (skipped.makes_task, skipped.next_at) == (False, NEXT)
    assert skipped.skipped == "the task of the time before was still open"
    assert moved(0, overlap=Overlap.SKIP).makes_task


@pytest.fixture
def no_system_zones() -> Iterator[None]:
    """A machine without a database of time zones of its own."""
    zoneinfo.reset_tzpath(to=())
    yield
    zoneinfo.reset_tzpath()


@pytest.mark.usefixtures("no_system_zones")
def test_zones_come_with_the_package() -> None:
    """Time zones are there on machines that have no database of them."""
    assert ZoneInfo.no_cache(BERLIN).utcoffset(NOW) == timedelta(hours=1)
