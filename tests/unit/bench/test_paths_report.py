"""What the benches of the engine's other paths make of their runs."""

from typing import Any

import pytest

from bench.paths.report import figures

SIZES = {"worker_1": {"first": 80.0, "peak": 90.0}, "postgres": {"last": 700.0}}
FLOOD_RUN = {"latency_ms": {"p50": 90.0, "p99": 900.0, "max": 1000.0}, "done_in_s": 30.0}
NOTHING = {"worker_1": 0.5, "postgres": 0.0, "redis": 0.0, "caller": 0.0}


def fake_paths() -> dict[str, Any]:
    """Return the results of all paths, each within its aims."""
    runs = {
        f"concurrency_{at_work}": {
            "at_work": at_work,
            "spread_s": 0.3,
            "items_per_s": 10.0 * at_work,
            "per_item": {"sql_statements": 0.03, "wal_bytes": 4000.0},
            "memory_mb": SIZES,
            "machine_cpu": {"others": 0.02},
        }
        for at_work in (10, 100, 1000)
    }
    waiting = {
        "tasks": 100_000,
        "idle_s": 20.0,
        "idle": {
            "without": {"cpu_s": NOTHING, "sql_statements": 0},
            "with": {"cpu_s": {**NOTHING, "worker_1": 0.9, "postgres": 0.1}, "sql_statements": 0},
        },
        "made_per_s": 1500.0,
        "mb_per_1000": 3.0,
        "sweep": {"seconds": 0.1, "database_s": 0.02, "statements": 6},
        "asleep": {"statements": 0, "wakes_before_due_s": 60.0},
        "due": {"tasks": 1000, "p50_s": 0.4, "max_s": 0.9},
    }
    redrive = {
        "letters": 10_000,
        "sent_per_s": 2000.0,
        "call_s": [5.0],
        "ended_per_s": 800.0,
        "paced_s": 10.0,
        "ended_s": 12.5,
        "per_letter": {"wal_bytes": 8000.0},
        "machine_cpu": {"others": 0.05},
    }
    unfair = {**FLOOD_RUN, "latency_ms": {"p50": 9000.0, "p99": 20_000.0, "max": 21_000.0}}
    flood = {"tasks": 20_000, "with_fairness": FLOOD_RUN, "without_fairness": unfair}
    return {"fan_out": {"items": 10_000, **runs}, "waiting": waiting, "redrive": redrive, "flood": flood}


def test_paths_within_their_aims_meet_them() -> None:
    """Each path has its figures; the servers' CPU counts beyond that of empty ones, others' in the worst run."""
    found = {figure.name: figure for figure in figures(fake_paths())}
    assert found["fan_out_at_1000"].value == 10_000.0
    assert found["fan_out_worker_memory_peak"].value == 90.0
    assert found["waiting_idle_cpu"].value == pytest.approx(0.005)
    assert found["others_on_the_machine"].value == 0.05
    assert all(figure.met for figure in found.values() if figure.aim)


@pytest.mark.parametrize(
    ("name", "path", "keys", "value"),
    [
        ("waiting_sweep_asleep", "waiting", ("asleep", "statements"), 1),
        ("waiting_idle_statements", "waiting", ("idle", "with", "sql_statements"), 2),
        ("waiting_idle_cpu", "waiting", ("idle", "with", "cpu_s"), {**NOTHING, "redis": 0.3}),
        ("redrive_request", "redrive", ("call_s",), [5.0, 29.5]),
        ("flood_single_p99", "flood", ("with_fairness", "latency_ms", "p99"), 2100.0),
    ],
)
def test_what_misses_its_aim_is_told(name: str, path: str, keys: tuple[str, ...], value: Any) -> None:
    """A statement while nothing happens, CPU that waits take, too long a request, a late single task are told."""
    found = figures(_with(fake_paths(), (path, *keys), value))
    assert [figure.name for figure in found if figure.met is False] == [name]


def test_a_path_by_itself_has_its_figures_only() -> None:
    """Measured alone, a path is told alone."""
    alone = figures({"waiting": fake_paths()["waiting"]})
    assert all(figure.name.startswith("waiting_") for figure in alone)


def _with(found: Any, keys: tuple[str, ...], value: Any) -> Any:
    if not keys:
        return value
    return {**found, keys[0]: _with(found[keys[0]], keys[1:], value)}
