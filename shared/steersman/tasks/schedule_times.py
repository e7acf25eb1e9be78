"""When a schedule comes: cron expressions in a time zone, rates, and what is done with a time that has come.

Cron is read as by Debian's (https://manpages.debian.org/cron): where clocks go forward, a time that they leave out
comes at once after it; where they go back, a time that they show twice comes once. An expression whose minute or hour
begins with `*` follows the clock instead.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from steersman.errors import Fault, InvalidInput

FIELDS = 5
MAX_EVERY = timedelta(days=365)
LATE_S = 150.0  # sweeps come every minute: what is later than two of them has been missed
_FIELD = re.compile(r"[0-9A-Za-z*,/#-]+")
_RATE = re.compile(r"([1-9][0-9]{0,5}) (minute|hour|day|week)s?")
_ZONE = re.compile(
    r"[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}"
)  # not 'localtime', 'right/…' or a path
_EVERY = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


class WhenKind(StrEnum):
    CRON = "cron"
    RATE = "rate"


class Overlap(StrEnum):
    """What a schedule does when its last task has not ended: make another one, or leave this time out."""

    ALLOW = "allow"
    SKIP = "skip"


class CatchUp(StrEnum):
    """What a schedule does when several of its times have passed unseen: make one task for them, or none."""

    ONE = "one"
    NONE = "none"


class When(Protocol):
    """The times of a schedule."""

    def after(self, moment: datetime, since: datetime) -> datetime:
        """Return the first time behind `moment`, in UTC; `since` is any time of the schedule, or its beginning."""


@dataclass(frozen=True)
class Cron:
    """The times of a cron expression on the clocks of a zone. Build one with `parse`."""

    expression: str
    zone: ZoneInfo

    def after(self, moment: datetime, since: datetime) -> datetime:  # noqa: ARG002 - a cron's times begin nowhere
        """Return the first time behind `moment`, in UTC. Raises InvalidInput when there is none in 50 years."""
        for found in CronSim(self.expression, moment.astimezone(self.zone)):
            # As UTC: in a zone Python compares clocks, and at their end those of summer time show earlier ones again.
            if (time := found.astimezone(UTC)) > moment:
                return time
        raise _never(self.expression)


@dataclass(frozen=True)
class Rate:
    """One time after another, `every` apart. Build one with `parse`."""

    every: timedelta

    def after(self, moment: datetime, since: datetime) -> datetime:
        """Return the first of since + every, since + 2 every, … behind `moment`."""
        return since + self.every * max(1, (moment - since) // self.every + 1)


class Move(NamedTuple):
    """What a time that has come leads to: a task or, said why, none; and when the next one comes."""

    makes_task: bool
    next_at: datetime
    skipped: str | None


def parse(kind: WhenKind, expression: str, timezone: str, *, now: datetime) -> When:
    """Return the times that an expression stands for. Raises InvalidInput naming `cron`, `rate` or `timezone`."""
    zone = _zone(timezone)
    if kind is WhenKind.RATE:
        return Rate(_every(expression))
    cron = Cron(expression, zone)
    if len(fields := expression.split()) != FIELDS or not all(map(_FIELD.fullmatch, fields)):
        raise _wrong("cron", "must have five fields: minute, hour, day of the month, month, day of the week")
    try:
        cron.after(now, now)
    except CronSimError as exc:
        raise _unread(str(exc).removeprefix("Bad "), expression) from None
    return cron


def upcoming(when: When, next_at: datetime, number: int) -> list[datetime]:
    """Return `next_at` and the times after it, `number` in all, or fewer where they end."""
    found = [next_at]
    with suppress(InvalidInput):
        while len(found) < number:
            found.append(when.after(found[-1], next_at))
    return found


def move(
    when: When, *, due: datetime, now: datetime, overlap: Overlap, catch_up: CatchUp, last_open: bool
) -> Move:
    """Say what follows from a time `due` that has come at `now`, `last_open` being whether the last task is open.

    Times that passed unseen, because more than LATE_S and the schedule's own interval have gone by, make one task
    together or none. A time that is late and alone makes its task.
    """
    next_at = when.after(due, due)
    missed = next_at <= now and (now - due).total_seconds() > LATE_S
    if missed:
        next_at = when.after(now, due)
    if missed and catch_up is CatchUp.NONE:
        return Move(False, next_at, "several times had passed unseen")
    if last_open and overlap is Overlap.SKIP:
        return Move(False, next_at, "the task of the time before was still open")
    return Move(True, next_at, None)


def _every(expression: str) -> timedelta:
    found = _RATE.fullmatch(expression)
    if found is None:
        raise _wrong("rate", "must be a number of minutes, hours, days or weeks, as in '15 minutes'")
    every = int(found[1]) * _EVERY[found[2]]
    if every > MAX_EVERY:
        raise _wrong("rate", f"must be at most {MAX_EVERY.days} days")
    return every


def _zone(timezone: str) -> ZoneInfo:
    try:
        if not _ZONE.fullmatch(timezone):
            raise ValueError
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):  # a folder of zones is an OSError
        reason = f"there is no time zone '{timezone}'; take an IANA name, as in 'Europe/Berlin' or 'UTC'"
        raise _wrong("timezone", reason) from None


def _unread(field: str, expression: str) -> InvalidInput:
    if field == "day-of-month" and _is_day(expression.split()[2]):
        return _never(expression)
    return _wrong("cron", f"its {field.replace('-', ' ')} cannot be read, or is out of range")


def _is_day(field: str) -> bool:
    try:
        CronSim(f"0 0 {field} * *", datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


def _never(expression: str) -> InvalidInput:
    return _wrong("cron", f"'{expression}' never comes: no day in the next 50 years is like that")


def _wrong(field: str, reason: str) -> InvalidInput:
    return InvalidInput("the schedule's times cannot be told", faults=(Fault(field, reason),))
