"""The engine's bench, on a load that takes a second."""

from bench.engine.plan import Plan
from bench.engine.run import run
from bench.engine.workload import INPUT_BYTES, STAGES, research_dag, task
from steersman.json import dumps


def test_the_workload_is_what_it_says() -> None:
    """The research DAG has six stages and inputs of 200 bytes, no two the same."""
    assert len(research_dag().stages) == STAGES
    assert {len(dumps(task(number)["input"])) for number in (1, 99_999)} == {INPUT_BYTES}
    assert task(1) != task(2)


def test_a_run_measures_tasks_that_all_completed() -> None:
    """A run on servers of its own completes every task and reports what each took of every process and server."""
    figures = run(Plan(tasks=30, batch=10, singles=2))
    assert figures["tasks_per_s"] > 0
    assert figures["settings"]["fsync"] == "on"
    assert figures["idle_latency_ms"]["tasks"] == 2
    assert set(figures["cpu_s_per_1000_tasks"]) == {
        "workers",
        "submitter",
        "postgres",
        "redis",
        "queues",
        "total",
    }
    counted = ("sql_statements", "sqs_send_calls", "redis_round_trips", "wal_bytes", "log_bytes")
    assert all(figures["per_task"][name] > 0 for name in counted)
    assert all(done["invocations"] > 0 for done in figures["functions"].values())
