"""Retry fields: the template's rules for failures that a worker reports, and patience with silence.

A retrier counts the failures of its own names, the planner all attempts of the stage; so the planner is never asked
for an attempt that the state machine would not make, and ends a stage with `Failure.FINAL`.
"""

from math import ceil
from typing import Any

from steersman.tasks.asl.words import FAILURE_OF, Failure
from steersman.tasks.template import Backoff, Retry
from steersman.tasks.words import FailureKind

# A job that nobody answered is sent again: nobody worked, so that no attempt is used up. The task's deadline ends it.
SILENCE = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 1,
    "BackoffRate": 2.0,
    "MaxAttempts": 200,
    "MaxDelaySeconds": 86_400,
    "JitterStrategy": "FULL",
}


def retriers(retry: Retry) -> list[dict[str, Any]]:
    """Return the Retry field of a stage's Task, for all errors that it can end with."""
    rules = {FAILURE_OF[kind]: retry.rule(kind) for kind in FailureKind}
    rules |= {Failure.FAILED: retry, Failure.LEASE_LOST: retry}
    never = [Failure.FINAL, Failure.ITEM_FAILED]
    never += [name for name, rule in rules.items() if rule is None or rule.max_attempts == 1]
    groups: list[tuple[Backoff, list[Failure]]] = []
    for name, rule in rules.items():
        if rule is None or name in never:
            continue
        for known, names in groups:
            if _same(known, rule):
                names.append(name)
                break
        else:
            groups.append((rule, [name]))
    return [_never(*never), *(_retrier(rule, names) for rule, names in groups), dict(SILENCE)]


def only_silence(*never: str) -> list[dict[str, Any]]:
    """Return the Retry field of a Task whose failures, and errors named `never`, are not tried again."""
    return [_never(*Failure, *never), dict(SILENCE)]


def _never(*names: str) -> dict[str, Any]:
    return {"ErrorEquals": [str(name) for name in names], "MaxAttempts": 0}


def _same(one: Backoff, other: Backoff) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in Backoff.model_fields)


def _retrier(rule: Backoff, names: list[Failure]) -> dict[str, Any]:
    """Return one retrier. Its times are whole seconds, and its ceiling is above its first interval."""
    first, ceiling = ceil(rule.backoff_s), ceil(rule.max_backoff_s)
    made: dict[str, Any] = {
        "ErrorEquals": [str(name) for name in names],
        "IntervalSeconds": min(first, ceiling),
        "MaxAttempts": rule.max_attempts - 1,
        "BackoffRate": float(rule.factor) if ceiling > first else 1.0,
        "JitterStrategy": "FULL",
    }
    if ceiling > first:
        made["MaxDelaySeconds"] = ceiling
    return made
