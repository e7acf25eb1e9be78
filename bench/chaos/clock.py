"""A wall clock that is wrong: `skew` moves what this process takes for the time, as a machine's bad clock would.

What the code of Steersman asks is moved: `datetime.now` in its modules, `time.time` and `time.time_ns`, and the time
in new ids. Monotonic clocks are right on a machine whose wall clock is wrong, and stay.
"""

import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo
from types import ModuleType
from uuid import UUID

from uuid_utils.compat import uuid7

from steersman import ids

_PACKAGES = ("steersman", "functions")


def skew(seconds: float) -> None:
    """Move this process's wall clock by `seconds`; call it when the modules that will run are imported.

    Raises RuntimeError when ids or times still follow the right clock, for then nothing would be tried.
    """
    if not seconds:
        return
    right_now, right_ns = time.time, time.time_ns
    time.time = lambda: right_now() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)
    wrong = _skewed_datetime(timedelta(seconds=seconds))
    ids.uuid7 = _skewed_uuid7  # type: ignore[attr-defined,assignment]
    for module in list(sys.modules.values()):
        if module.__name__.partition(".")[0] in _PACKAGES:
            _replace(module, wrong)
    _prove(seconds, right_now())


def _skewed_datetime(by: timedelta) -> type[datetime]:
    class AsOrdered(type(datetime)):  # type: ignore[misc]
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class SkewedDatetime(datetime, metaclass=AsOrdered):
        """`datetime` with a wrong `now`; its instances are plain ones."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    return SkewedDatetime


def _skewed_uuid7() -> UUID:
    now = time.time_ns()  # the skewed one
    return uuid7(nanoseconds=now)


def _replace(module: ModuleType, wrong: type[datetime]) -> None:
    for name, value in list(vars(module).items()):
        if value is datetime:
            setattr(module, name, wrong)


def _prove(seconds: float, now: float) -> None:
    made = (ids.new_id().int >> 80) / 1000
    asked = sys.modules["steersman.tasks.submission"].datetime.now(UTC).timestamp()
    for what, moment in (("new ids", made), ("datetime.now", asked)):
        if abs(moment - now - seconds) > 5:
            raise RuntimeError(f"{what} did not follow the skewed clock: steersman asks another one now")
