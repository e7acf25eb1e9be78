"""The same DAG elsewhere: what its orchestration costs for a million runs, from public price lists.

What their handlers cost to call (Lambda requests, workers that poll) is left out, which favours them.
"""

from collections.abc import Mapping
from typing import Any

from bench.cost.assumptions import Assumptions
from bench.cost.million import GB, MONTH_HOURS, Bill
from bench.cost.prices import MILLION, Prices
from bench.engine.workload import research_dag

STAGES = tuple(stage.name for stage in research_dag().stages)


def state_machine() -> dict[str, Any]:
    """Return the research DAG in the Amazon States Language: two branches of one stage run in a Parallel."""
    return {
        "StartAt": "intent",
        "States": {
            "intent": {"Type": "Task", "Next": "gather"},
            "gather": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": name, "States": {name: {"Type": "Task", "End": True}}}
                    for name in ("embedding", "websearch")
                ],
                "Next": "executor",
            },
            "executor": {"Type": "Task", "Next": "moderator"},
            "moderator": {"Type": "Task", "Next": "response"},
            "response": {"Type": "Task", "End": True},
        },
    }


def transitions(machine: Mapping[str, Any]) -> int:
    """Return the state transitions of one run without choices: AWS counts each step executed, in branches too."""
    inner = [branch for state in machine["States"].values() for branch in state.get("Branches", ())]
    return len(machine["States"]) + sum(transitions(branch) for branch in inner)


def actions(stages: int) -> int:
    """Return the Temporal Cloud actions of one run: the workflow's start and the start of each activity."""
    return 1 + stages


def operations(stages: int) -> int:
    """Return the operations of one durable function's run: its start and each step. The two parallel steps need
    contexts of their own, which are not counted here.
    """
    return 1 + stages


def rivals(prices: Prices, given: Assumptions) -> list[Bill]:
    """Return the bills of a million runs elsewhere."""
    return [_standard(prices), _express(prices, given), _durable(prices, given), _temporal(prices)]


def _standard(prices: Prices) -> Bill:
    steps = transitions(state_machine())
    item = prices.item("state transitions", "standard_transition", MILLION * steps, f"{steps} in a run")
    return Bill("Step Functions Standard", [item], note="history kept for 90 days is in the price")


def _express(prices: Prices, given: Assumptions) -> Bill:
    held = given.express_ms / 1000 * given.express_mb / 1024
    items = [
        prices.item("executions", "express_request", MILLION),
        prices.item("GB-seconds", "express_gb_second", MILLION * held),
    ]
    return Bill(
        "Step Functions Express",
        items,
        note="not durable: at least once, at most five minutes, no history unless it is logged",
    )


def _durable(prices: Prices, given: Assumptions) -> Bill:
    count = operations(len(STAGES))
    gb = MILLION * given.state_bytes / GB
    items = [
        prices.item("operations", "durable_operation", MILLION * count, f"{count} in a run"),
        prices.item("state written", "durable_written_gb", gb),
        prices.item("state kept", "durable_gb_month", gb * given.retention_hours / MONTH_HOURS),
    ]
    return Bill("Lambda durable functions", items, note="without the GB-seconds of the function itself")


def _temporal(prices: Prices) -> Bill:
    count = actions(len(STAGES))
    items = [
        prices.actions("actions", MILLION * count, f"{count} in a run; a million of them are in the plan"),
        prices.item("the smallest plan", "temporal_plan_month", 1),
    ]
    return Bill(
        "Temporal Cloud",
        items,
        note="without the workers, which are the user's own machines; 40 GB of closed histories are in the plan",
    )
