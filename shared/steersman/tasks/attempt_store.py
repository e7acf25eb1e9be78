"""The SQL of attempts, from the lease to the outcome: each function does a whole batch in one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Database
from steersman.ids import new_id
from steersman.json import dumps_text
from steersman.tasks.log_store import Fact, facts_of
from steersman.tasks.named_sql import sql
from steersman.tasks.planner import Decision, LeaseLost, describe
from steersman.tasks.words import StageStatus

OUTCOMES = frozenset({"stage.completed", "stage.skipped", "stage.retrying", "stage.failed"})


class Lease(NamedTuple):
    """The right that a worker asks for: to run one attempt."""

    task_id: UUID
    stage: str
    attempt: int
    lease_id: UUID


class Outcome(NamedTuple):
    """What became of one leased attempt, and who did it at which cost."""

    task_id: UUID
    stage: str
    lease_id: UUID
    decision: Decision
    agent_id: UUID | None = None
    agent_name: str | None = None
    model: str | None = None
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    quality: float | None = None
    attempt: int | None = None
    output_text: str | None = None  # the output's JSON where it is known already
    leaves_children: bool = False  # whether tasks that it started may still be open


@dataclass(frozen=True)
class Completion:
    """What completing a batch did: the facts, in order, and the stages whose results had taken effect before."""

    facts: list[Fact]
    repeated: list[tuple[UUID, str]]


def claim(database: Database, leases: Sequence[Lease], *, lease_s: float) -> list[dict[str, Any]]:
    """Ask for leases of `lease_s` (at most one per stage); a row for each granted.

    Its columns are those of sql/claim.sql, and `lease`.
    """
    ordered = sorted(leases, key=_order)
    rows = database.run(
        sql("claim"),
        {
            **_keys(ordered),
            "attempts": plain(lease.attempt for lease in ordered),
            "lease_s": lease_s,
            "lease_lost": Jsonb(describe(LeaseLost("the worker of the last attempt fell silent"))),
        },
        repeatable=True,  # the same lease again is granted again
    )
    for row in rows:
        row["lease"] = ordered[row["place"] - 1]
    return rows


def judge(database: Database, leases: Sequence[Lease]) -> list[dict[str, Any]]:
    """Say of leases that were not granted why: task_id, stage and verdict (sql/judge.sql)."""
    values = {**_keys(leases), "attempts": plain(lease.attempt for lease in leases)}
    return database.run(sql("judge"), {name: value for name, value in values.items() if name != "leases"})


def renew(database: Database, leases: Sequence[Lease], *, lease_s: float) -> int:
    """Keep leases for another `lease_s` and return how many are still held."""
    return len(database.run(sql("renew"), {**_keys(sorted(leases, key=_order)), "lease_s": lease_s}))


def put_back(
    database: Database, waiting: Sequence[tuple[Lease, str]], *, patience_s: float
) -> list[dict[str, Any]]:
    """Give up leases whose attempts wait for what is named beside each.

    The sweep leaves them alone for `patience_s` more than others. Returns task_id and stage of those still held.
    """
    ordered = sorted(waiting, key=lambda one: _order(one[0]))
    keys = _keys([lease for lease, _ in ordered])
    return database.run(
        sql("put_back"), {**keys, "waiting_for": texts(name for _, name in ordered), "patience_s": patience_s}
    )


def complete(database: Database, outcomes: Sequence[Outcome]) -> Completion:
    """Carry out the decisions on leased attempts; harmless to repeat.

    One round trip; one more if any fails its task, one more if any came after its lease was lost.
    """
    going = sorted((one for one in outcomes if not one.decision.fails_task), key=_order)
    failing = sorted((one for one in outcomes if one.decision.fails_task), key=_order)
    facts = []
    if going:
        facts += facts_of(database.tuples(sql("complete"), _results(going), repeatable=True))
    if failing:
        facts += facts_of(database.tuples(sql("fail"), _failures(failing), repeatable=True))
    if sum(fact.event in OUTCOMES for fact in facts) == len(outcomes):
        return Completion(facts, [])
    told = {_key_of(fact) for fact in facts if fact.event in OUTCOMES}
    untold = [one for one in outcomes if _key(one) not in told]
    late = facts_of(database.tuples(sql("late"), _lateness(sorted(untold, key=_order))))
    told = {_key_of(fact) for fact in late}
    return Completion(facts + late, [_key(one) for one in untold if _key(one) not in told])


def _key_of(fact: Fact) -> tuple[UUID, str | None]:
    return fact.task_id, fact.stage


def _order(one: Lease | Outcome) -> tuple[int, str]:
    """Return what sorts as PostgreSQL does: quicker than comparing UUIDs, which is done in Python."""
    return one.task_id.int, one.stage


def _key(one: Lease | Outcome) -> tuple[UUID, str]:
    return one.task_id, one.stage


def _keys(ones: Sequence[Lease | Outcome]) -> dict[str, Any]:
    return {
        "count": len(ones),
        "task_ids": ids(one.task_id for one in ones),
        "stages": plain(one.stage for one in ones),
        "leases": ids(one.lease_id for one in ones),
    }


def _costs(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "agent_ids": ids(one.agent_id for one in outcomes),
        "agent_names": texts(one.agent_name for one in outcomes),
        "models": texts(one.model for one in outcomes),
        "costs": plain(one.cost_usd for one in outcomes),
        "tokens": plain(one.tokens for one in outcomes),
    }


def _results(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    decisions = [outcome.decision for outcome in outcomes]
    return {
        **_keys(outcomes),
        **_costs(outcomes),
        "statuses": plain(decision.status for decision in decisions),
        "outputs": texts(map(_output_text, outcomes)),
        "errors": documents(decision.error for decision in decisions),
        "delays_s": plain(decision.retry_delay_s for decision in decisions),
        "releases": texts(",".join(decision.releases) for decision in decisions),
        "ends_sink": plain(decision.ends_sink for decision in decisions),
        "gives_output": plain(decision.gives_task_output for decision in decisions),
        "qualities": plain(one.quality for one in outcomes),
        "letters": ids(new_id() if one.decision.status is StageStatus.FAILED else None for one in outcomes),
    }


def _output_text(one: Outcome) -> str | None:
    output = one.decision.output
    return one.output_text or (None if output is None else dumps_text(output))


def _failures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    errors = documents(outcome.decision.error for outcome in outcomes)
    letters = ids(new_id() for _ in outcomes)
    return {**_keys(outcomes), **_costs(outcomes), "errors": errors, "letters": letters}


def _lateness(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        **_keys(outcomes),
        "statuses": plain(one.decision.status for one in outcomes),
        "agent_ids": ids(one.agent_id for one in outcomes),
        "attempts": plain(one.attempt for one in outcomes),
    }
