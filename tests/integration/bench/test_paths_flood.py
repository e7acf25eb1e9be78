"""The flood's bench, on a load that takes a second."""

from bench.paths.flood import measure


def test_a_flood_is_measured_with_and_without_fairness() -> None:
    """Both ways every task ends, and the single tasks' latencies are told."""
    found = measure(lambda _: None, tasks=100)
    for way in ("with_fairness", "without_fairness"):
        assert found[way]["singles"] > 0
        assert 0 < found[way]["latency_ms"]["p50"] <= found[way]["latency_ms"]["max"]
