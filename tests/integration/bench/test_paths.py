"""The benches of the engine's other paths, each on a load that takes a second, held to what the product does."""

import pytest

from bench.paths import fan_out, redrive, waiting
from bench.paths.report import figures


def test_a_fan_out_is_measured_with_every_concurrency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item is done whatever the concurrency, and each run tells its speed, its memory and what it asked for."""
    monkeypatch.setattr(fan_out, "CONCURRENCIES", (2, 20))
    found = fan_out.measure(lambda _: None, tasks=30)
    for at_work in (2, 20):
        run = found[f"concurrency_{at_work}"]
        assert run["items_per_s"] > 0
        assert 0 < run["spread_s"] <= run["seconds"]
        assert run["memory_mb"]["worker_1"]["peak"] > 0
        assert all(run["per_item"][name] > 0 for name in ("sql_statements", "sqs_sent_messages", "wal_bytes"))


def test_waiting_tasks_are_measured_until_they_go_on() -> None:
    """While tasks only wait the sweep sleeps without a statement; those that come due end after their time."""
    found = waiting.measure(lambda _: None, tasks=40, due=10, idle_s=0.1)
    assert found["mb_per_1000"] > 0
    assert found["sweep"]["statements"] > 0
    assert found["asleep"]["statements"] == found["idle"]["with"]["sql_statements"] == 0
    assert found["due"]["tasks"] == 10
    assert 0 < found["due"]["p50_s"] <= found["due"]["max_s"]


def test_a_redrive_is_measured_until_all_tasks_have_ended() -> None:
    """All letters are redriven in one request and their tasks complete."""
    found = redrive.measure(lambda _: None, tasks=30)
    assert len(found["call_s"]) == 1
    assert found["sent_per_s"] >= found["ended_per_s"] > 0
    assert {figure.name for figure in figures({"redrive": found})} > {"redrive_sent", "redrive_ended"}
