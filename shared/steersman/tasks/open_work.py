"""A cheap flag that says whether the sweep has anything to look for, so that it leaves a sleeping Aurora asleep.

Submitting counts up. A sweep that finds nothing open notes the count it saw; after two such sweeps in a row under
the same count, nothing can be open: a submission counts before and after its commit and ends within one sweep
interval. A count that is missing (Redis was emptied) means that something may be open. What comes due by the clock
alone (a schedule) ends the sleep: the sweep says until when it may last, and whoever stores an earlier time counts
like a submission.
"""

from datetime import datetime
from typing import Any

import redis

from steersman.cache.connection import translated_errors

_KEY = "steersman:open-work"
ASLEEP = "steersman:open-work:asleep"  # expires when something is due; where it is missing the sweep looks
_QUIET_SWEEPS = 2


class OpenWork:
    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def submitted(self) -> None:
        """Note that a submission begins, or has committed; or so with a time at which something will be due."""
        with translated_errors():
            self._redis.hincrby(_KEY, "submissions", 1)

    def possible(self) -> tuple[bool, int]:
        """Say whether a task may be open or something due, and the count to give to `quiet`."""
        with translated_errors(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(_KEY, ["submissions", "quiet_at", "quiet_sweeps"])
            pipeline.exists(ASLEEP)
            values, asleep = pipeline.execute()
        submissions, at, sweeps = values
        known = submissions is not None and at is not None and asleep
        if known and submissions == at and int(sweeps or 0) >= _QUIET_SWEEPS:
            return False, int(submissions)
        return True, int(submissions or 0)

    def quiet(self, count: int, *, until: datetime | None = None) -> None:
        """Note that a sweep found nothing open, having begun under `count`, and that nothing is due before `until`.

        None: nothing will ever be due by the clock. The time is judged by the clock of Redis.
        """
        with translated_errors():
            values: Any = self._redis.hmget(_KEY, ["quiet_at", "quiet_sweeps"])
            at, sweeps = values
            again = at is not None and int(at) == count
            self._redis.hset(
                _KEY,
                mapping={
                    "quiet_at": count,
                    "quiet_sweeps": int(sweeps or 0) + 1 if again else 1,
                },
            )
            self._redis.hsetnx(_KEY, "submissions", 0)
            self._redis.set(ASLEEP, 1, pxat=until)
