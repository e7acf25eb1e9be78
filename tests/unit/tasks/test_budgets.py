"""When a budget stops a stage, and until when."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from steersman.tasks import budgets

MIDNIGHT = datetime(2027, 1, 16, tzinfo=UTC)


def day(**found: Any) -> dict[str, Any]:
    nothing = {"usd_per_day": None, "tokens_per_day": None, "usd": Decimal(0), "tokens": 0}
    return {"slug": "ours", "until": MIDNIGHT, **nothing, **found}


@pytest.mark.parametrize(
    "found",
    [
        {"usd": Decimal(10**6), "tokens": 10**9},
        {"usd_per_day": Decimal(1)},
        {"usd_per_day": Decimal(1), "usd": Decimal("0.999999"), "tokens": 10**9},
        {"tokens_per_day": 100, "tokens": 99, "usd": Decimal(5)},
    ],
)
def test_a_budget_that_is_not_spent_stops_nothing(found: dict[str, Any]) -> None:
    """Below the budget, and where there is none, stages begin."""
    assert budgets.of_day(day(**found)) is None


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ({"usd_per_day": Decimal("1.500000"), "usd": Decimal("1.5")}, "1.5 USD a day"),
        ({"usd_per_day": Decimal("100.000000"), "usd": Decimal(900)}, "100 USD a day"),
        ({"tokens_per_day": 1_000, "tokens": 1_000}, "1,000 tokens a day"),
        ({"usd_per_day": Decimal(5), "tokens_per_day": 10, "tokens": 11}, "10 tokens a day"),
    ],
)
def test_a_spent_day_waits_until_midnight_and_says_what_to_do(found: dict[str, Any], named: str) -> None:
    """A budget that is reached stops stages until the next day (UTC), naming the project, the budget and the way on."""
    waits = budgets.of_day(day(**found))
    assert waits is not None
    assert waits.error is not None
    assert waits.due_at == MIDNIGHT
    assert waits.error["code"] == "budget_spent"
    for told in (
        "project 'ours'",
        named,
        "2027-01-16T00:00:00.000Z",
        "PUT /v1/projects/ours/limits",
        "cancel",
    ):
        assert told in waits.error["message"]
    assert (waits.detail["kind"], waits.detail["scope"]) == ("budget", "project_day")


@pytest.mark.parametrize(
    ("aside", "begun"),
    [
        ({}, False),
        ({"paused": False, "answer": {}}, False),
        ({"waited_s": 0.0}, True),
        ({"children": 0}, True),
    ],
)
def test_what_waits_or_started_tasks_has_begun(aside: dict[str, Any], begun: bool) -> None:
    """A wait, a question and a fan-out that have begun are told from those that have not."""
    assert budgets.begun(aside) is begun
