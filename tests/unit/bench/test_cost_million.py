"""The price of a million tasks: arithmetic on counts and prices."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bench.cost.assumptions import Assumptions
from bench.cost.measured import NothingMeasured, Work, read, work_of
from bench.cost.million import bill, gb_seconds, mean_memory_gb
from bench.cost.prices import Item, Price, Prices, Tier, tiered, total
from bench.cost.rivals import actions, operations, rivals, state_machine, transitions
from bench.engine.workload import research_dag

# The shape of a run in bench/results/engine.json, with round numbers.
RUN = {
    "tasks": 1000,
    "tasks_per_s": 500.0,
    "cpu_s_per_1000_tasks": {"workers": 1.5, "submitter": 0.5, "postgres": 1.0, "redis": 0.2, "queues": 0.3},
    "per_task": {
        "sql_statements": 0.2,
        "redis_round_trips": 0.3,
        "redis_commands": 15.0,
        "sqs_send_units": 0.07,
        "sqs_receive_calls": 0.06,
        "sqs_delete_calls": 0.06,
        "sqs_sent_bytes": 400.0,
        "wal_bytes": 8192.0,
        "log_bytes": 100.0,
    },
    "functions": {
        "intent": {"invocations": 10, "messages": 100, "seconds": 1.0},
        "responses": {"invocations": 50, "messages": 100, "seconds": 1.0},
        "api.tasks": {"invocations": 10, "seconds": 1.0},
    },
}


@pytest.fixture
def work() -> Work:
    return work_of("a run", RUN)


def usd(work: Work, item: str, given: Assumptions | None = None) -> float:
    items = bill(work, Prices.read(), given or Assumptions()).items
    return float(next(one.usd for one in items if one.name == item))


def test_a_run_is_read_as_counts_of_one_task(work: Work) -> None:
    """Calls of the API function are requests, those of all other functions are invocations, each by task."""
    assert (work.requests, work.invocations) == (0.01, 0.06)
    assert work.function_cpu_s == pytest.approx(0.002)
    assert work.queue_requests == pytest.approx(0.19)


def test_a_line_costs_its_quantity_at_its_price() -> None:
    """Money is exact: a million and a half requests at 0.40 a million are 0.60."""
    item = Item("requests", 1_500_000, Price(Decimal("0.40"), 1_000_000, "requests", "", "primary"))
    assert item.usd == Decimal("0.60")
    assert total([item, item]) == Decimal("1.20")


def test_queue_requests_are_billed_by_the_million(work: Work) -> None:
    """0.19 SQS requests a task are 0.19 million for a million tasks, at 0.40 a million."""
    assert usd(work, "SQS: sends, receives, deletes") == pytest.approx(0.19 * 0.40)


def test_computing_costs_the_same_whatever_memory_a_function_has(work: Work) -> None:
    """A second of CPU is 1769/1024 GB-seconds: less memory makes it last longer in proportion."""
    computing, _ = gb_seconds(work, replace(Assumptions(), cpu_factor=1.0))
    assert computing == pytest.approx(0.002 * 1769 / 1024)


def test_waiting_is_billed_at_the_memory_of_the_functions(work: Work) -> None:
    """A round trip's milliseconds count at the mean memory of the stages' functions."""
    given = replace(
        Assumptions(), statement_wait_ms=0.0, redis_wait_ms=1000.0, sqs_wait_ms=0.0, cpu_factor=0.0
    )
    _, waiting = gb_seconds(work, given)
    assert waiting == pytest.approx(0.3 * mean_memory_gb())


def test_aurora_is_billed_by_cpu_and_by_what_it_writes(work: Work) -> None:
    """CPU seconds are ACU-hours at a quarter of a vCPU each and half used; WAL is billed by 4 KiB."""
    given = replace(Assumptions(), cpu_factor=1.0)
    assert usd(work, "Aurora: capacity", given) == pytest.approx(1000 / 0.25 / 0.5 / 3600 * 0.12)
    assert usd(work, "Aurora: writes", given) == pytest.approx(2 * 0.20)


def test_the_bill_is_the_sum_of_its_items_without_those_aside(work: Work) -> None:
    """What only some users pay is told beside the price, not in it."""
    found = bill(work, Prices.read(), Assumptions())
    assert found.usd == total(found.items)
    assert found.aside
    assert not {item.name for item in found.items} & {item.name for item in found.aside}


def test_a_file_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    """Without a measurement there is no price, and the message names the command that measures."""
    with pytest.raises(NothingMeasured, match="make bench"):
        read(tmp_path / "engine.json")


def test_the_state_machine_is_the_dag_of_the_benches() -> None:
    """The rival runs the same stages: every stage of the research DAG is a task of the state machine."""
    machine = state_machine()
    inner = [name for branch in machine["States"]["gather"]["Branches"] for name in branch["States"]]
    tasks = {name for name, state in machine["States"].items() if state["Type"] == "Task"} | set(inner)
    assert tasks == {stage.name for stage in research_dag().stages}


def test_each_step_executed_is_a_transition() -> None:
    """Six stages and the Parallel around two of them are seven."""
    assert transitions(state_machine()) == 7


def test_a_workflow_is_its_start_and_its_activities() -> None:
    """Temporal Cloud counts one action for the start and one for each activity; durable functions likewise."""
    assert actions(6) == operations(6) == 7


def test_tiers_are_filled_one_after_the_other() -> None:
    """Units beyond a tier cost the next tier's price; beyond the last there is none."""
    tiers = [Tier(5_000_000, Decimal(50)), Tier(5_000_000, Decimal(45))]
    assert tiered(6_000_000, tiers) == Decimal(295)
    with pytest.raises(ValueError, match="no public price"):
        tiered(10_000_001, tiers)


def test_rivals_cost_what_their_lists_say() -> None:
    """Seven transitions at 25 USD a million are 175; six million actions beyond the plan are 295, and the plan 100."""
    found = {one.title: one.usd for one in rivals(Prices.read(), Assumptions())}
    assert found["Step Functions Standard"] == Decimal(175)
    assert found["Temporal Cloud"] == Decimal(295 + 100)


def test_every_price_says_where_it_was_read_and_how_sure_it_is() -> None:
    """No price without a source and a grade of sureness that the file explains."""
    prices = Prices.read()
    for price in prices.all():
        assert price.source
        assert price.sure in prices.sureness


def test_aurora_costs_at_least_its_least_capacity_while_it_is_awake(work: Work) -> None:
    """A million tasks that come slowly keep half an ACU awake all the while."""
    slow = replace(work, tasks_per_s=1.0, postgres_cpu_s=0.0)
    assert usd(slow, "Aurora: capacity") == pytest.approx(1e6 / 3600 * 0.5 * 0.12)
