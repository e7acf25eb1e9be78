"""The views: numbers that a person can check by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from steersman.db.connection import Database
from steersman.ids import first_id_at
from tests.integration.db.rows import insert

BUCKETS: list[dict[str, Any]] = [
    {"bucket_start": "2026-01-01T00:00Z", "calls": 3, "failures": 1, "timeouts": 1, "duration_ms_sum": 300},
    {"bucket_start": "2026-01-01T01:00Z", "calls": 7, "failures": 1, "timeouts": 0, "duration_ms_sum": 700},
]


def finished_task(database: Database, duration_s: float, **values: Any) -> None:
    created_at = datetime.now(UTC) - timedelta(hours=1)
    finished_at = created_at + timedelta(seconds=duration_s)
    values = {"status": "completed", "template_name": "quick_answer"} | values
    insert(database, "task_histories", created_at=created_at, finished_at=finished_at, **values)


def analytics(database: Database) -> list[dict[str, Any]]:
    return database.run("SELECT * FROM task_analytics ORDER BY template_name, status, project_id")


def test_task_analytics_sums_a_group(database: Database) -> None:
    """Count, durations, quality, cost, tokens and value of a template's tasks are those of its rows."""
    for duration_s, quality in ((1, 0.5), (2, 0.75), (6, None)):
        finished_task(
            database,
            duration_s,
            quality_score=quality,
            cost_usd=Decimal("0.25"),
            tokens=100,
            business_value_usd=Decimal(10),
        )
    [row] = analytics(database)
    assert (row["tasks"], row["tokens"]) == (3, 300)
    assert (row["cost_usd"], row["business_value_usd"]) == (Decimal("0.75"), 30)
    assert (row["duration_s_mean"], row["duration_s_p50"], row["quality_mean"]) == (3, 2, 0.625)
    assert row["duration_s_p99"] == pytest.approx(5.92)


def test_task_analytics_keeps_groups_apart(database: Database) -> None:
    """Projects, templates and statuses count each for themselves, unfinished tasks without a duration."""
    other = insert(database, "projects")["id"]
    finished_task(database, 1)
    finished_task(database, 1, project_id=other)
    finished_task(database, 1, template_name="simple_lookup")
    insert(database, "task_histories", template_name="quick_answer", status="running")
    rows = analytics(database)
    assert [(row["template_name"], row["status"], row["tasks"]) for row in rows] == [
        ("quick_answer", "completed", 1),
        ("quick_answer", "completed", 1),
        ("quick_answer", "running", 1),
        ("simple_lookup", "completed", 1),
    ]
    assert {row["duration_s_mean"] for row in rows if row["status"] == "running"} == {None}


def test_task_analytics_covers_a_day(database: Database) -> None:
    """A task submitted more than 24 hours ago is not counted any more."""
    now = datetime.now(UTC)
    for hours in (23, 25):
        finished_task(database, 1, id=first_id_at(now - timedelta(hours=hours)))
    assert [row["tasks"] for row in analytics(database)] == [1]


def agent(database: Database) -> UUID:
    identifier: UUID = insert(database, "agents", name="executor", version="1.0.0", endpoint="built-in")["id"]
    return identifier


def test_agent_performance_adds_up_the_buckets(database: Database) -> None:
    """Calls, rates and means of an agent's capability are over all its buckets, not means of means."""
    agent_id = agent(database)
    for bucket in BUCKETS:
        more = {"duration_ms_max": bucket["duration_ms_sum"], "cost_usd": Decimal("0.5"), "tokens": 10}
        quality = {"quality_sum": 1.5, "quality_count": 2}
        insert(
            database, "agent_performance", agent_id=agent_id, capability="answer", **bucket, **more, **quality
        )
    [row] = database.run("SELECT * FROM agent_performance_summary")
    assert (row["agent_name"], row["agent_version"], row["capability"]) == ("executor", "1.0.0", "answer")
    assert (row["calls"], row["failures"], row["timeouts"], row["tokens"]) == (10, 2, 1, 20)
    assert (row["success_rate"], row["duration_ms_mean"], row["duration_ms_max"]) == (0.8, 100, 700)
    assert (row["cost_usd"], row["quality_mean"]) == (Decimal(1), 0.75)
    assert row["last_active_at"] == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_agent_performance_without_calls_has_no_rates(database: Database) -> None:
    """A capability that was never called has no success rate, duration or quality, not a wrong one."""
    insert(database, "agent_performance", agent_id=agent(database))
    [row] = database.run("SELECT * FROM agent_performance_summary")
    assert (row["success_rate"], row["duration_ms_mean"], row["quality_mean"]) == (None, None, None)
