"""The engine: what a stage function does with a batch of messages, from claim to answer.

The number of round trips does not grow with the batch: one claim, one complete, one SQS call for each queue and
lane that gets work, one Redis pipeline. What can be decided without I/O is decided in `planner`.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from steersman.agents.registry import Registry
from steersman.aws.queues import Delivery, Job, StageQueues, unpack
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.failpoints import Reach, unarmed
from steersman.ids import new_id
from steersman.tasks import store
from steersman.tasks.attempts import Attempt, Runner
from steersman.tasks.live import LiveTasks
from steersman.tasks.plans import Plans
from steersman.tasks.store import Fact, Lease, Outcome
from steersman.tasks.template import MAX_STAGE_TIMEOUT_S
from steersman.tasks.words import Lane, Priority, lane_for

LEASE_S = MAX_STAGE_TIMEOUT_S + 15.0  # the slowest agent, and completing the batch after it

Warn = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Message:
    """An SQS message as a stage function receives it from `lane` of its queue."""

    id: str
    body: str
    queue: str
    lane: str
    receive_count: int = 1


@dataclass
class Report:
    """What became of a batch: counts by verdict and decision, the facts, the ids of messages to deliver again."""

    failed_messages: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    facts: list[Fact] = field(default_factory=list)


class Engine:
    """Runs batches of stage jobs. All parts are given; `lanes` are those that this environment has."""

    def __init__(
        self,
        *,
        database: Database,
        queues: StageQueues,
        live: LiveTasks,
        registry: Registry,
        plans: Plans,
        lanes: tuple[Lane, ...],
        warn: Warn,
        rng: random.Random | None = None,
        reach: Reach = unarmed,
    ) -> None:
        self._reach = reach
        self._database = database
        self._queues = queues
        self._live = live
        self._plans = plans
        self._lanes = lanes
        self._warn = warn
        self._runner = Runner(registry, rng or random.Random(), reach)  # noqa: S311 - jitter, not a secret

    def run(self, messages: Sequence[Message]) -> Report:
        """Do a batch of messages; Unavailable (of the database) means that all must be delivered again."""
        report = Report()
        jobs = self._unpack(messages, report)
        if not jobs:
            return report
        self._reach("engine.received")
        attempts, done = self._claim(jobs, report)
        outcomes = self._runner.run(attempts)
        self._reach("engine.ran")
        if outcomes:
            report.facts = store.complete(self._database, outcomes)
            self._reach("engine.completed")
        for outcome in outcomes:
            report.counts[str(outcome.decision.status)] += 1
        # Before the followers are sent: else one of them could be told to have started before it was ready.
        self._publish(report.facts)
        self._reach("engine.published")
        try:
            self._send(attempts, outcomes, report.facts)
            self._mend(done)
        except Unavailable as exc:
            # Results are stored, but their followers may not be sent: the same messages come again, are found
            # done, and lead to `_mend`.
            self._warn("queues did not take all jobs", {"reason": exc.message})
            report.failed_messages = [message.id for message in messages]
        self._reach("engine.sent")
        return report

    def _unpack(self, messages: Sequence[Message], report: Report) -> dict[tuple[UUID, str], Job]:
        """Return the jobs to claim, the latest attempt of each stage. Redelivered packs are split, not run."""
        jobs: dict[tuple[UUID, str], Job] = {}
        for message in messages:
            try:
                pack = unpack(message.body)
            except ValueError:
                self._warn("a message is not a stage message", {"message_id": message.id})
                report.failed_messages.append(message.id)
                report.counts["unreadable"] += 1
                continue
            if message.receive_count > 1 and len(pack) > 1:
                # One of them may have killed the worker: each goes on alone, so that it takes no other with it.
                self._queues.send_alone([Delivery(message.queue, message.lane, job) for job in pack])
                report.counts["split"] += len(pack)
                continue
            for job in pack:
                known = jobs.get((job.task_id, job.stage))
                if known is None or known.attempt < job.attempt:
                    jobs[job.task_id, job.stage] = job
        return jobs

    def _claim(
        self, jobs: Mapping[tuple[UUID, str], Job], report: Report
    ) -> tuple[list[Attempt], list[UUID]]:
        """Return the attempts that are ours now, and the tasks of jobs that were found done already."""
        leases = {
            key: Lease(
                task_id=job.task_id, stage=job.stage, attempt=job.attempt, lease_id=new_id(), seconds=LEASE_S
            )
            for key, job in jobs.items()
        }
        rows = store.claim(self._database, list(leases.values()))
        self._reach("engine.claimed")
        plans = self._plans.of(row["template_id"] for row in rows if row["verdict"] == "claimed")
        attempts, done = [], []
        for row in rows:
            # A busy job is dropped too: its lease ends in a result, or the sweep sends it again.
            report.counts[row["verdict"]] += 1
            if row["verdict"] == "claimed":
                lease = leases[row["task_id"], row["stage"]]
                attempts.append(Attempt.of(row, lease.lease_id, plans[row["template_id"]]))
            elif row["verdict"] == "done":
                done.append(row["task_id"])
        self._publish([fact for row in rows if (fact := _started(row))])
        self._reach("engine.started")
        return attempts, done

    def _send(self, attempts: Sequence[Attempt], outcomes: Sequence[Outcome], facts: Sequence[Fact]) -> None:
        """Send what became ready, what is tried again, and the dead letters."""
        by_task = {attempt.job.task_id: attempt for attempt in attempts}
        by_stage = {(outcome.task_id, outcome.stage): outcome for outcome in outcomes}
        deliveries, letters = [], defaultdict(list)
        for fact in facts:
            attempt = by_task[fact.task_id]
            if fact.stage is None or fact.event not in {"stage.ready", "stage.retrying", "stage.failed"}:
                continue
            queue = attempt.plan.stage(fact.stage).queue
            number = fact.attempt or 1
            if fact.event == "stage.ready":
                deliveries.append(self._delivery(queue, attempt, Job(fact.task_id, fact.stage, number)))
            elif fact.event == "stage.retrying":
                delay_s = by_stage[fact.task_id, fact.stage].decision.retry_delay_s or 0.0
                job = Job(fact.task_id, fact.stage, number + 1)
                deliveries.append(self._delivery(queue, attempt, job, -int(-delay_s // 1)))
            else:
                letters[queue].append(_dead_letter(attempt, fact))
        self._queues.send(deliveries)
        for queue, dead in letters.items():
            self._queues.send_dead(queue, dead)

    def _delivery(self, queue: str, attempt: Attempt, job: Job, delay_s: int = 0) -> Delivery:
        lane = lane_for(Priority(attempt.row["priority"]), self._lanes)
        return Delivery(queue, lane, job, delay_s)

    def _mend(self, task_ids: Sequence[UUID]) -> None:
        """A job that was found done may come again because its worker died before it sent and told: do that now."""
        if not task_ids:
            return
        resend(self._queues, store.ready_stages(self._database, task_ids), self._lanes)
        try:
            self._live.forget(task_ids)
        except Unavailable as exc:
            self._warn("live views were not renewed", {"reason": exc.message})

    def _publish(self, facts: Sequence[Fact]) -> None:
        try:
            self._live.publish(facts)
        except Unavailable as exc:
            # Postgres has the truth; readers rebuild what Redis lacks.
            self._warn("events were not published", {"reason": exc.message})


def resend(queues: StageQueues, rows: Sequence[Mapping[str, Any]], lanes: tuple[Lane, ...]) -> None:
    """Send a job for each row (task_id, stage, queue, attempt, priority and, if it must wait, delay_s)."""
    queues.send(
        [
            Delivery(
                row["queue"],
                lane_for(Priority(row["priority"]), lanes),
                Job(row["task_id"], row["stage"], row["attempt"]),
                int(row.get("delay_s", 0)),
            )
            for row in rows
        ]
    )


def _started(row: Mapping[str, Any]) -> Fact | None:
    if row["verdict"] != "claimed" or row["event_id"] is None:
        return None
    return Fact(
        id=row["event_id"],
        task_id=row["task_id"],
        project_id=row["project_id"],
        stage=row["stage"],
        event="stage.started",
        attempt=row["attempt"],
        detail={},
        created_at=row["event_at"],
    )


def _dead_letter(attempt: Attempt, fact: Fact) -> dict[str, Any]:
    job = attempt.job
    return {
        "task_id": job.task_id,
        "project_id": job.project_id,
        "template": attempt.plan.template.name,
        "template_version": attempt.plan.version,
        "stage": fact.stage,
        "attempt": fact.attempt,
        "capability": job.capability,
        "correlation_id": job.correlation_id,
        "failed_at": fact.created_at,
        "error": fact.detail.get("error"),
    }
