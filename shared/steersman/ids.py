"""Identifiers: UUIDv7 (RFC 9562), so that ids sort by time and history can be partitioned by id."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

DEFAULT_PROJECT_ID = UUID("00000000-0000-7000-8000-000000000001")
DEFAULT_PROJECT = "default"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> UUID:
    """Return a new UUIDv7; ids made later sort later."""
    return uuid7()


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 that can be made at `moment` (an aware time): a bound for ranges of ids."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=max(0, milliseconds) << 80)


def made_at(made: UUID) -> datetime:
    """Return when a UUIDv7 was made, in UTC and to the millisecond, by the clock of who made it."""
    return _EPOCH + timedelta(milliseconds=made.int >> 80)
