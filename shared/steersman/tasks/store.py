"""The SQL of tasks: each function carries out one decision for a whole batch in one round trip."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from steersman.db.arrays import documents, ids, plain, texts
from steersman.db.connection import Database
from steersman.db.statements import Statement
from steersman.http.request import KeptAnswer
from steersman.json import dumps_text, loads
from steersman.tasks.planner import Decision, LeaseLost, Plan, describe
from steersman.tasks.words import Priority

OUTCOMES = frozenset({"stage.completed", "stage.skipped", "stage.retrying", "stage.failed"})
FIRST = UUID(int=0)  # comes before every id


@cache
def _sql(name: str) -> Statement:
    return Statement.of(files("steersman.tasks").joinpath("sql", f"{name}.sql").read_text("utf-8"))


class Fact(NamedTuple):
    """A line of a task's log: what happened, to which stage (None: to the task), as the database recorded it.

    Lines are few and may tell more than one event: `each` tells them apart.
    """

    id: int
    task_id: UUID
    stage: str | None
    event: str
    attempt: int | None
    text: str  # the detail as JSON, which few read
    created_at: datetime
    started_id: int | None = None  # of an attempt that ended: its start's id, and when that was
    started_at: datetime | None = None
    frees: Sequence[str] | None = None  # the stages that became ready by it

    @property
    def detail(self) -> dict[str, Any]:
        """What there is to say of it: an object that the event's kind gives a form."""
        found: dict[str, Any] = loads(self.text)
        return found

    def each(self) -> Iterator["Fact"]:
        """Tell one by one, in order, what this line tells; their ids are those of the view task_events."""
        if self.started_id is not None and self.started_at is not None:
            yield Fact(
                self.started_id,
                self.task_id,
                self.stage,
                "stage.started",
                self.attempt,
                "{}",
                self.started_at,
            )
        yield self._replace(started_id=None, started_at=None, frees=None)
        for place, stage in enumerate(self.frees or (), start=1):
            yield Fact(self.id + place, self.task_id, stage, "stage.ready", 1, "{}", self.created_at)


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task as it is accepted."""

    id: UUID
    project_id: UUID
    plan: Plan
    priority: Priority
    input: dict[str, Any]
    requirements: list[str]
    constraints: dict[str, Any]
    labels: dict[str, str]
    business_value_usd: Decimal | None
    business_value_kind: str | None
    requested_by: str
    requested_through: str
    correlation_id: str
    deadline_at: datetime


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


def submit(
    database: Database, tasks: Sequence[NewTask], *, at: datetime, keep: KeptAnswer | None = None
) -> None:
    """Accept tasks, all or none. Raise Conflict when `keep`'s key was used meanwhile."""
    stages = [(task, stage) for task in tasks for stage in task.plan.new_stages]
    database.tuples(
        _sql("submit"),
        {
            "created_at": at,
            "ids": ids(task.id for task in tasks),
            "project_ids": ids(task.project_id for task in tasks),
            "template_ids": ids(task.plan.template_id for task in tasks),
            "template_names": texts(task.plan.template.name for task in tasks),
            "template_versions": plain(task.plan.version for task in tasks),
            "priorities": plain(task.priority for task in tasks),
            "inputs": documents(task.input for task in tasks),
            "requirements": documents(task.requirements for task in tasks),
            "constraints": documents(task.constraints for task in tasks),
            "labels": documents(task.labels for task in tasks),
            "values_usd": plain(task.business_value_usd for task in tasks),
            "value_kinds": texts(task.business_value_kind for task in tasks),
            "requested_by": texts(task.requested_by for task in tasks),
            "requested_through": texts(task.requested_through for task in tasks),
            "correlation_ids": texts(task.correlation_id for task in tasks),
            "open_sinks": plain(len(task.plan.template.sinks) for task in tasks),
            "deadlines": texts(task.deadline_at.isoformat() for task in tasks),
            "sources": texts(",".join(task.plan.sources) for task in tasks),
            "stage_task_ids": ids(task.id for task, _ in stages),
            "stage_project_ids": ids(task.project_id for task, _ in stages),
            "stage_names": plain(stage.name for _, stage in stages),
            "stage_positions": plain(stage.position for _, stage in stages),
            "stage_queues": plain(stage.queue for _, stage in stages),
            "stage_capabilities": texts(stage.capability for _, stage in stages),
            "stage_pending_needs": plain(stage.pending_needs for _, stage in stages),
            "stage_statuses": plain(stage.status for _, stage in stages),
            "key_project_id": keep.project_id if keep else None,
            "key_route": keep.route if keep else None,
            "key": keep.key if keep else None,
            "key_hash": keep.request_hash if keep else None,
            "key_response": Jsonb(keep.response) if keep else None,
        },
    )


def claim(database: Database, leases: Sequence[Lease], *, lease_s: float) -> list[dict[str, Any]]:
    """Ask for leases of `lease_s` (at most one per stage); a row for each granted.

    Its columns are those of sql/claim.sql, and `lease`.
    """
    ordered = sorted(leases, key=_order)
    rows = database.run(
        _sql("claim"),
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
    return database.run(_sql("judge"), {name: value for name, value in values.items() if name != "leases"})


def renew(database: Database, leases: Sequence[Lease], *, lease_s: float) -> int:
    """Keep leases for another `lease_s` and return how many are still held."""
    return len(database.run(_sql("renew"), {**_keys(sorted(leases, key=_order)), "lease_s": lease_s}))


@dataclass(frozen=True)
class Completion:
    """What completing a batch did: the facts, in order, and the stages whose results had taken effect before."""

    facts: list[Fact]
    repeated: list[tuple[UUID, str]]


def complete(database: Database, outcomes: Sequence[Outcome]) -> Completion:
    """Carry out the decisions on leased attempts; harmless to repeat.

    One round trip; one more if any fails its task, one more if any came after its lease was lost.
    """
    going = sorted((one for one in outcomes if not one.decision.fails_task), key=_order)
    failing = sorted((one for one in outcomes if one.decision.fails_task), key=_order)
    facts = []
    if going:
        facts += _facts(database.tuples(_sql("complete"), _results(going), repeatable=True))
    if failing:
        facts += _facts(database.tuples(_sql("fail"), _failures(failing), repeatable=True))
    if sum(fact.event in OUTCOMES for fact in facts) == len(outcomes):
        return Completion(facts, [])
    told = {_key_of(fact) for fact in facts if fact.event in OUTCOMES}
    untold = [one for one in outcomes if _key(one) not in told]
    late = _facts(database.tuples(_sql("late"), _lateness(sorted(untold, key=_order))))
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
    }


def _output_text(one: Outcome) -> str | None:
    output = one.decision.output
    return one.output_text or (None if output is None else dumps_text(output))


def _failures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    errors = documents(outcome.decision.error for outcome in outcomes)
    return {**_keys(outcomes), **_costs(outcomes), "errors": errors}


def _lateness(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        **_keys(outcomes),
        "statuses": plain(one.decision.status for one in outcomes),
        "agent_ids": ids(one.agent_id for one in outcomes),
        "attempts": plain(one.attempt for one in outcomes),
    }


def stop(
    database: Database, task_ids: Sequence[UUID], *, status: str, errors: Sequence[dict[str, Any] | None]
) -> list[Fact]:
    """End open tasks from outside as `cancelled` or `failed`; tasks that have ended stay as they are."""
    return _facts(
        database.tuples(
            _sql("stop"),
            {"task_ids": list(task_ids), "status": status, "errors": [_json(error) for error in errors]},
        )
    )


@dataclass(frozen=True)
class Window:
    """Stranded stages among some open tasks, and the task behind which the next window begins (None: there is none)."""

    rows: list[dict[str, Any]]
    next_after: UUID | None


def stranded(
    database: Database, *, older_than_s: float, limit: int, after: UUID = FIRST, window: int = 20_000
) -> Window:
    """Return up to `limit` open stages whose message may be lost, or whose task is past its deadline.

    Looks at `window` open tasks behind `after`. Rows: task_id, stage, queue, attempt, priority, deadline_passed.
    """
    bounds = {"older_than_s": older_than_s, "limit": limit, "after": after, "window": window}
    rows = database.run(_sql("stranded"), bounds)
    found = [row for row in rows if row["task_id"] is not None]
    return Window(found, rows[0]["reached"] if rows[0]["held"] == window and len(found) < limit else None)


def resent(database: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note that the jobs of these stages (task_id, stage) were sent again now."""
    statement = """
        UPDATE task_stages s SET resent_at = clock_timestamp()
        FROM (SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[]) AS r (task_id, stage) LIMIT %(count)s) r
        WHERE s.task_id = r.task_id AND s.name = r.stage"""
    ordered = sorted(rows, key=lambda row: (row["task_id"].int, row["stage"]))
    keys = {
        "task_ids": ids(row["task_id"] for row in ordered),
        "stages": plain(row["stage"] for row in ordered),
        "count": len(ordered),
    }
    database.run(statement, keys, repeatable=True)


def any_open(database: Database) -> bool:
    """Say whether any task has not ended."""
    statement = """
        SELECT EXISTS (SELECT FROM task_histories
                       WHERE status IN ('pending', 'running', 'awaiting', 'retrying')) AS open"""
    return bool(database.run(statement)[0]["open"])


def ready_stages(database: Database, task_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return the stages of these tasks that wait for a worker: task_id, stage, queue, attempt, priority, delay_s."""
    statement = """
        SELECT s.task_id, s.name AS stage, s.queue, s.attempt, t.priority,
               greatest(0, extract(epoch FROM s.ready_at - clock_timestamp()))::float8 AS delay_s
        FROM task_stages s JOIN task_histories t ON t.id = s.task_id
        WHERE s.task_id = ANY(%(task_ids)s) AND s.status = 'ready'"""
    return database.run(statement, {"task_ids": list(task_ids)})


def dead_stages(database: Database, stages: Sequence[tuple[UUID, str]]) -> list[dict[str, Any]]:
    """Return those of these stages (task id, name) that failed for good: what dead letters say, and the queue."""
    statement = """
        SELECT t.id AS task_id, t.project_id, t.template_name AS template, t.template_version, s.name AS stage,
               s.attempt, s.queue, s.capability, t.correlation_id, s.finished_at AS failed_at, s.error
        FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[]) AS w (task_id, stage)
        JOIN task_stages s ON s.task_id = w.task_id AND s.name = w.stage
        JOIN task_histories t ON t.id = s.task_id
        WHERE s.status = 'failed'"""
    keys = {"task_ids": ids(one[0] for one in stages), "stages": plain(one[1] for one in stages)}
    return database.run(statement, keys)


def fact_count(database: Database, task_id: UUID) -> int:
    """Return of how many events a task's log tells."""
    statement = "SELECT count(*) AS events FROM task_events WHERE task_id = %(task_id)s"
    return int(database.run(statement, {"task_id": task_id})[0]["events"])


def facts(database: Database, task_id: UUID, *, after: int = 0) -> list[Fact]:
    """Return the events of a task's log after the one with id `after`, each by itself, oldest first."""
    statement = """
        SELECT id, task_id, stage, event, attempt, detail::text, created_at FROM task_events
        WHERE task_id = %(task_id)s AND id > %(after)s
        ORDER BY id"""
    return _facts(database.tuples(statement, {"task_id": task_id, "after": after}))


def task(database: Database, task_id: UUID) -> dict[str, Any] | None:
    """Return one task with its stages (a list under `stages`, in template order), or None."""
    statement = """
        SELECT t.id, p.slug AS project, t.template_id,
               t.template_name AS template, t.template_version, t.orchestrator, t.status,
               t.priority, t.input, t.output, t.error, t.requirements, t.constraints, t.labels,
               t.business_value_usd, t.business_value_kind, t.requested_by, t.requested_through, t.correlation_id,
               t.quality_score, t.cost_usd, t.tokens, t.deadline_at, t.started_at, t.finished_at, t.created_at,
               t.updated_at,
               (SELECT jsonb_agg(jsonb_build_object(
                  'name', s.name, 'queue', s.queue, 'capability', s.capability, 'status', s.status,
                  'attempt', s.attempt, 'agent', s.agent_name, 'model', s.model, 'error', s.error,
                  'cost_usd', s.cost_usd::text, 'tokens', s.tokens, 'pending_needs', s.pending_needs,
                  'ready_at', s.ready_at, 'started_at', s.started_at, 'finished_at', s.finished_at,
                  'duration_ms', (extract(epoch FROM s.finished_at - s.started_at) * 1000)::int)
                  ORDER BY s.position)
                FROM task_stages s WHERE s.task_id = t.id) AS stages
        FROM task_histories t JOIN projects p ON p.id = t.project_id
        WHERE t.id = %(task_id)s"""
    rows = database.run(statement, {"task_id": task_id})
    return rows[0] if rows else None


PAGE_BYTES = 4_000_000  # Lambda answers with at most 6 MB
# Measured as Lambda sends it, text within JSON, where each quote takes two bytes; what does not fit stays behind.
_FITTING = """
    SELECT * FROM (
      SELECT t.*, lead(t.id) OVER newest_first IS NOT NULL AS more, row_number() OVER newest_first AS place,
             sum(octet_length(to_json(concat(t.labels, t.output, t.error))::text)) OVER newest_first AS bytes
      FROM ({rows}) t WINDOW newest_first AS (ORDER BY t.id DESC ROWS UNBOUNDED PRECEDING)
    ) t WHERE bytes <= %(bytes)s OR place = 1 ORDER BY id DESC"""


def page(
    database: Database,
    project_id: UUID,
    *,
    filters: dict[str, Any],
    before: UUID | None,
    limit: int,
    outputs: bool = False,
) -> tuple[list[dict[str, Any]], bool]:
    """Return up to `limit` tasks of a project, newest first, older than `before`; and whether more follow.

    `filters`: status, template, priority (exact), labels (contained), created_after, created_before (times).
    With `outputs` each has its output and error; the page then ends before they exceed PAGE_BYTES of an
    answer, but has at least one task.
    """
    conditions = {
        "status": "t.status = %(status)s",
        "template": "t.template_name = %(template)s",
        # Literally, and with what the indexes leave out: else a plan for any value could not use those.
        "priority": f"t.priority = '{Priority(filters.get('priority') or Priority.MEDIUM)}'",
        "labels": "t.labels <> '{}' AND t.labels @> %(labels)s",
        "created_after": "t.id >= first_id_at(greatest(%(created_after)s, timestamptz 'epoch'))",
        "created_before": "t.id < first_id_at(greatest(%(created_before)s, timestamptz 'epoch'))",
    }
    used = {name: value for name, value in filters.items() if value is not None}
    # An array of one, and the project in the order: else the planner may walk the tasks of all projects by id.
    where = " AND ".join(
        ["t.project_id = ANY(ARRAY[%(project_id)s]::uuid[])", *(conditions[name] for name in used)]
    )
    if before is not None:
        where += " AND t.id < %(before)s"
    statement = f"""
        SELECT t.id, t.template_name AS template, t.template_version, t.status, t.priority, t.labels, t.quality_score,
               t.cost_usd, t.tokens, t.deadline_at, t.created_at, t.started_at, t.finished_at, t.updated_at
               {", t.output, t.error" if outputs else ""}
        FROM task_histories t WHERE {where} ORDER BY t.project_id, t.id DESC LIMIT %(limit)s"""  # noqa: S608 - fixed words only
    values = {name: Jsonb(value) if name == "labels" else value for name, value in used.items()}
    rows = database.run(
        _FITTING.format(rows=statement) if outputs else statement,
        {"project_id": project_id, "before": before, "limit": limit + 1, "bytes": PAGE_BYTES, **values},
    )
    return rows[:limit], len(rows) > limit or any(row.get("more", False) for row in rows[-1:])


def _facts(rows: list[tuple[Any, ...]]) -> list[Fact]:
    """Return log lines, oldest first; their columns are those of Fact, in its order."""
    return sorted((Fact(*row) for row in rows), key=lambda fact: fact.id)


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)
