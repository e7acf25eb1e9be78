"""What the engine's bench makes of its runs."""

from typing import Any

import pytest

from bench.engine import series
from bench.engine.plan import Plan


def fake_run(plan: Plan, _say: Any) -> dict[str, Any]:
    """Return a run whose speed grows with its batches, with memory that grows to 90 MB and stays there."""
    samples = [[0.0, 80.0], *([float(second), 90.0] for second in range(1, 20))]
    return {
        "tasks": plan.tasks,
        "tasks_per_s": 10.0 * plan.batch * (0.95 if plan.tasks > 10_000 else 1.0),
        "idle_latency_ms": {"p50": 9.0, "p99": 20.0},
        "latency_under_load_ms": {"p50": 15.0, "p99": 40.0},
        "cpu_s_per_1000_tasks": {"workers": 1.0, "postgres": 0.5, "total": 1.5},
        "machine_cpu": {"run": 0.9, "others": 0.02, "idle": 0.08},
        "memory_mb": {"worker_1": {"peak": 90.0, "samples": samples}, "redis": {"peak": 400.0}},
        "per_task": dict.fromkeys(
            (
                "sql_statements", "sqs_send_calls", "sqs_sent_messages", "redis_round_trips", "redis_commands",
                "wal_bytes", "log_bytes",
            ),
            1.0,
        ),
    }  # fmt: skip


def test_the_series_takes_medians_and_compares_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is done, paced at half of what batches of ten reached, and the figures hold the aims."""
    plans: list[Plan] = []

    def noted(plan: Plan, say: Any) -> dict[str, Any]:
        plans.append(plan)
        return fake_run(plan, say)

    monkeypatch.setattr(series, "run", noted)
    found = series.measure(lambda _: None)
    figures = {figure.name: figure for figure in found["figures"]}
    assert [plan.tasks for plan in plans] == [10_000] * 6 + [1_000, 100_000, 10_000]
    assert plans[-1].per_s == 50.0
    assert figures["tasks_per_s_batch_100"].value == 1000.0
    assert figures["largest_to_10000"].value == pytest.approx(0.95)
    assert figures["worker_memory_growth"].value == 1.0
    assert all(figure.met for figure in figures.values() if figure.aim)
    assert set(found["runs"]) == {"batch_10", "batch_100", "tasks_1000", "tasks_100000", "paced"}
