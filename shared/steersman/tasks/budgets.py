"""When a stage waits because a budget is spent: its task's, that of the task above it, or its project's of the day."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from steersman.json import rfc3339
from steersman.tasks.planner import BudgetSpent, describe
from steersman.tasks.ways import Awaiting


def of_task(row: Mapping[str, Any], aside: Mapping[str, Any]) -> Awaiting | None:
    """Return how an attempt waits whose task has spent its budget, until somebody raises it; None: it has not.

    `row` and `aside` are as in sql/claim.sql.
    """
    budget, spent = row["budget_usd"], row["cost_usd"]
    tokens = aside.get("budget_tokens")
    if budget is not None and spent > 0 and spent >= Decimal(budget):
        reason = f"the task's budget of {budget} USD is spent: raise it, or cancel the task"
    elif tokens is not None and aside["tokens"] >= int(tokens):
        reason = f"the task's budget of {int(tokens):,} tokens is spent: raise it, or cancel the task"
    elif aside.get("parent_spent"):
        reason = "the budget of the task that started this one is spent: raise that, or cancel it"
    else:
        return None
    return Awaiting(None, describe(BudgetSpent(reason)), {"kind": "budget", "reason": reason})


def of_day(day: Mapping[str, Any]) -> Awaiting | None:
    """Return how the attempts of a project wait that has spent its budget of the day, until the next day (UTC) or until
    somebody raises it; None: it has not. `day` is as in `limits_store.days`.
    """
    usd, tokens = day["usd_per_day"], day["tokens_per_day"]
    if usd is not None and day["usd"] >= usd:
        spent = f"{usd.normalize():f} USD"
    elif tokens is not None and day["tokens"] >= tokens:
        spent = f"{tokens:,} tokens"
    else:
        return None
    until = rfc3339(day["until"])
    reason = (
        f"the budget of project '{day['slug']}' of {spent} a day is spent: this goes on at {until}, or once "
        f"PUT /v1/projects/{day['slug']}/limits raises it; or cancel the task"
    )
    detail = {"kind": "budget", "scope": "project_day", "reason": reason, "until": until}
    return Awaiting(day["until"], describe(BudgetSpent(reason)), detail)


def begun(aside: Mapping[str, Any]) -> bool:
    """Say whether a stage waits already, or has started tasks: what is left of it costs nothing."""
    return "waited_s" in aside or "children" in aside
