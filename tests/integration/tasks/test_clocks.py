"""Functions whose machine has a wrong clock."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from steersman.tasks import submission
from tests.fixtures.functions import Functions
from tests.integration.api.requests import QUESTION


class HourAhead(datetime):
    """A machine's clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(hours=1)


def test_a_deadline_is_set_by_the_clock_that_it_is_judged_by(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function whose clock is an hour ahead gives a task the same time as any other: the database's clock counts."""
    monkeypatch.setattr(submission, "datetime", HourAhead)
    accepted = functions.http("POST", "/v1/tasks", {**QUESTION, "constraints": {"deadline_s": 600}}).json
    left = datetime.fromisoformat(accepted["deadline_at"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=600)
