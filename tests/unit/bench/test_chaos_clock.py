"""The clock of a chaos process can be made wrong, and everything that is asked for the time follows it."""

import subprocess
import sys

import pytest

_ASK = """
import time
from datetime import UTC, datetime
right = time.time()
from steersman.tasks import submission
import functions.api.tasks
from bench.chaos.clock import skew
skew({seconds})
from steersman.ids import new_id
moments = [time.time(), time.time_ns() / 1e9, submission.datetime.now(UTC).timestamp(), (new_id().int >> 80) / 1000]
assert isinstance(datetime.now(UTC), submission.datetime)
print(*(round((moment - right) / 60) for moment in moments))
"""


@pytest.mark.parametrize("minutes", [-12, 0, 5])
def test_everything_that_is_asked_for_the_time_is_wrong_by_the_same(minutes: int) -> None:
    """time.time, datetime.now in Steersman's modules and new ids are all moved; other times stay instances."""
    # In a process of its own: a clock that was moved stays so.
    asked = subprocess.run(
        [sys.executable, "-c", _ASK.format(seconds=60 * minutes)], capture_output=True, text=True, check=True
    )
    assert asked.stdout.split() == [str(minutes)] * 4
