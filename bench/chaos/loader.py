"""The history of a run, read from the database, the journals of its processes, and the dead-letter queues."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import redis

from bench.chaos import metered, orders
from bench.chaos.follows import follows
from bench.chaos.history import (
    Cancel,
    Event,
    Execution,
    Follow,
    Incident,
    Line,
    Order,
    RunHistory,
    StageRow,
    Submission,
    TaskHistory,
    TaskRow,
    Terms,
)
from bench.chaos.journal import Record, read
from bench.chaos.run_folder import KNOWN_S, LEASE_S, MINUTE_S, MISSED_S, PREFIX, Run
from bench.chaos.witness import changes, schedule_steps
from bench.sqs.figures import dead_letters
from steersman.db.connection import Database
from steersman.json import loads
from steersman.tasks.plans import Plans
from steersman.tasks.words import Queue


def load(run: Run, planned: Iterable[int]) -> RunHistory:
    """Read everything that is known of a run that has come to rest, and whose reader has run."""
    database = Database(run.database_url)
    given = [_first_limits(run), *orders.given(run.journals("operator"), _moved_s(run))]
    try:
        return RunHistory(
            tasks=_tasks(run, database),
            planned=frozenset(planned),
            submissions=[_submission(one) for one in _moves(run) if "key" in one],
            cancels=[*(_cancel(one) for one in _moves(run) if "cancelled" in one), *orders.cancels(given)],
            orders=given,
            measured=_measured(database),
            raised=_raised(run),
            schedules=schedule_steps(database),
            incidents=_incidents(run),
            terms=Terms(
                stages_of={metered.PROJECT: metered.RUNNING_STAGES},
                calls_of={metered.AGENT: metered.CALLS},
                lease_s=LEASE_S,
                known_s=KNOWN_S,
                minute_s=MINUTE_S,
                missed_s=MISSED_S,
            ),
        )
    finally:
        database.close()


def _tasks(run: Run, database: Database) -> list[TaskHistory]:
    plans = Plans(database)
    stages, lines, seen = _stages(database), _lines(database), changes(database)
    ran, told, letters, followed = executions(run), _told(run), _letters(run), _follows(run)
    kept = _kept_letters(database)
    rows = database.run("""
        SELECT t.id, template_id, status, input, output, labels, open_sinks, cost_usd, tokens,
               finished_at IS NOT NULL AS finished, template_name AS template, parent_task_id, parent_stage,
               parent_attempt, item, only_stage, p.slug AS project,
               CASE requested_through WHEN 'schedule' THEN correlation_id END AS of_schedule
        FROM task_histories t JOIN projects p ON p.id = t.project_id ORDER BY t.id""")
    found = []
    for row in rows:
        task_id, plan = row["id"], plans.of([row["template_id"]])[row.pop("template_id")]
        if only_stage := row.pop("only_stage"):
            plan = plan.of_item(only_stage)
        row |= _due(row.pop("of_schedule"))
        answer = told.get(task_id, {})
        found.append(
            TaskHistory(
                row=TaskRow(**row),
                plan=plan,
                stages=stages[task_id],
                log=lines[task_id],
                changes=seen.get(task_id, []),
                executions=ran.get(task_id, []),
                events=[_event(task_id, one) for one in answer.get("events", ())],
                events_ended=bool(answer.get("ended")),
                shown=answer.get("shown", {}),
                letters=letters.get(task_id, []),
                kept_letters=kept.get(task_id, []),
                follows=followed.get(task_id, []),
            )
        )
    return found


def _due(correlation_id: str | None) -> dict[str, Any]:
    """Return of which schedule and time a task is, as the sweep wrote it: schedule:<id>:<time>."""
    if correlation_id is None:
        return {}
    _, schedule_id, due_at = correlation_id.split(":", 2)
    return {"schedule_id": UUID(schedule_id), "due_at": datetime.fromisoformat(due_at).timestamp()}


def _stages(database: Database) -> Mapping[UUID, dict[str, StageRow]]:
    found: dict[UUID, dict[str, StageRow]] = defaultdict(dict)
    rows = database.run("""
        SELECT task_id, name, status, attempt, pending_needs, output, error, cost_usd, tokens, children, answer,
               extract(epoch FROM finished_at)::float8 AS finished_at
        FROM task_stages ORDER BY task_id, position""")
    for row in rows:
        task_id = row.pop("task_id")
        found[task_id][row["name"]] = StageRow(**row)
    return found


def _lines(database: Database) -> Mapping[UUID, list[Line]]:
    found: dict[UUID, list[Line]] = defaultdict(list)
    rows = database.run("""
        SELECT task_id, id, stage, event, attempt, detail, agent_id IS NOT NULL AS agent,
               extract(epoch FROM created_at)::float8 AS at
        FROM task_events ORDER BY task_id, id""")
    for row in rows:
        task_id = row.pop("task_id")
        found[task_id].append(Line(**row))
    return found


def executions(run: Run) -> Mapping[UUID, list[Execution]]:
    """Return what the agents wrote down: one execution for each beginning, with its answer where it came to one."""
    found: dict[UUID, list[Execution]] = defaultdict(list)
    moved_s = _moved_s(run)
    for path in run.journals("agents"):
        begun: dict[tuple[str, str, int], Record] = {}
        for record in read(path):
            key = (record["task_id"], record["stage"], record["attempt"])
            if "answer" in record:
                began_at = begun.pop(key, record)["at"]
                found[UUID(key[0])].append(_execution({**record, "began_at": began_at}, moved_s))
                continue
            if key in begun:
                found[UUID(key[0])].append(_execution(begun[key], moved_s))
            begun[key] = {**record, "began_at": record["at"]}
        for record in begun.values():
            found[UUID(record["task_id"])].append(_execution(record, moved_s))
    return found


def _execution(record: Record, moved_s: float) -> Execution:
    return Execution(
        task_id=UUID(record["task_id"]),
        stage=record["stage"],
        attempt=record["attempt"],
        process=record["process"],
        answer=record.get("answer"),
        output=record.get("output"),
        cost_usd=Decimal(record.get("cost_usd", 0)),
        tokens=record.get("tokens", 0),
        seen_items=record.get("seen_items"),
        agent=record["agent"],
        began_at=record["began_at"] + moved_s,
        answered_at=record["at"] + moved_s if "answer" in record else None,
    )


def _told(run: Run) -> Mapping[UUID, Record]:
    return {UUID(record["id"]): record for record in read(run.journal("reader"))}


def _follows(run: Run) -> Mapping[UUID, list[Follow]]:
    found: dict[UUID, list[Follow]] = defaultdict(list)
    for follow in (one for path in run.journals("follower") for one in follows(path)):
        found[follow.task_id].append(follow)
    return found


def _event(task_id: UUID, event: Mapping[str, Any]) -> Event:
    data = event["data"]
    line = int(event["id"].removeprefix(f"{task_id}-"))
    kind = event["type"].removeprefix("steersman.").removesuffix(".v1")
    return Event(line, kind, data["stage"], data["attempt"])


def _letters(run: Run) -> Mapping[UUID, list[tuple[str, int]]]:
    """Return stage and attempt of the dead letters that the product wrote, by task."""
    found: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    with redis.Redis.from_url(run.sqs_url) as client:
        bodies = [body for queue in Queue for body in dead_letters(client, f"{PREFIX}{queue}-dead")]
    for letter in map(loads, bodies):
        if "task_id" in letter:
            found[UUID(letter["task_id"])].append((letter["stage"], letter["attempt"]))
    return found


def _kept_letters(database: Database) -> Mapping[UUID, list[tuple[str, int]]]:
    found: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    for row in database.run("SELECT task_id, stage, attempt FROM dead_letters"):
        found[row["task_id"]].append((row["stage"], row["attempt"]))
    return found


def _moved_s(run: Run) -> float:
    """Return what makes seconds since 1970 of the monotonic ones in journals."""
    return run.began_at - run.began


def _first_limits(run: Run) -> Order:
    """Return what the run was begun with as if somebody had asked for it."""
    limits = metered.limits(*metered.FIRST_DAY)
    at = run.began_at - 1
    return Order(what="limit", name=metered.PROJECT, asked_at=at, answered_at=at, status=200, limits=limits)


def _incidents(run: Run) -> list[Incident]:
    moved_s = _moved_s(run)
    return [
        Incident(one["kind"], one["since"] + moved_s, one["until"] + moved_s)
        for one in read(run.journal("storm"))
    ]


def _moves(run: Run) -> list[Record]:
    return [record for path in run.journals("submitter") for record in read(path)]


def _raised(run: Run) -> Mapping[str, int]:
    found = [record for path in run.journals("process") for record in read(path) if "raised" in record]
    return Counter(
        f"{one['in']}: {one['raised']}"
        + (f" ({one['message'][:120]})" if one["raised"] != "Unavailable" else "")
        for one in found
    )


def _submission(record: Record) -> Submission:
    ids = [UUID(one) for one in record["ids"]]
    return Submission(key=record["key"], numbers=record["numbers"], task_ids=ids)


def _cancel(record: Record) -> Cancel:
    return Cancel(
        task_id=UUID(record["cancelled"]), http_status=record["status"], task_status=record["task_status"]
    )


def _measured(database: Database) -> Mapping[str, Decimal]:
    rows = database.run("""
        SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(failures), 0) AS failures,
               coalesce(sum(cost_usd), 0) AS cost_usd, coalesce(sum(tokens), 0) AS tokens FROM agent_performance""")
    return {name: Decimal(value) for name, value in rows[0].items()}
