"""The engine: what a stage function does with a batch of messages, from claim to answer.

The number of round trips does not grow with the batch: one claim, one complete, one SQS call for each queue and
lane that gets work, one Redis pipeline. What can be decided without I/O is decided in `planner`.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, inf
from typing import Any
from uuid import UUID

from steersman.agents.registry import Registry
from steersman.aws.queues import MAX_ATTEMPT, MAX_DELAY_S, Delivery, Job, StageQueues, unpack
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.failpoints import Reach, unarmed
from steersman.ids import new_id
from steersman.tasks import attempt_store, undo_store, unsent_store, waiting_store
from steersman.tasks.attempt_store import Lease, Outcome
from steersman.tasks.attempts import Attempt, Choice, Ran, Runner
from steersman.tasks.day_budgets import DayBudgets
from steersman.tasks.families import Families, NestedFailed
from steersman.tasks.gate import Gate
from steersman.tasks.limits import Admission, Limits
from steersman.tasks.live import LiveTasks
from steersman.tasks.log_store import Fact
from steersman.tasks.pauses import Pauses
from steersman.tasks.payloads import Payloads
from steersman.tasks.planner import Plan
from steersman.tasks.plans import Plans
from steersman.tasks.resending import Warn, resend
from steersman.tasks.template import MAX_STAGE_TIMEOUT_S
from steersman.tasks.token_store import Asked
from steersman.tasks.tokens import Tokens, asked_in
from steersman.tasks.words import Lane, Priority, lane_for

LEASE_S = 30.0  # a killed worker's stages are free again after this
MAX_JOBS = 100  # claimed at a time: what one agent is given, and what one statement changes
MAX_JOBS_S = MAX_STAGE_TIMEOUT_S + 15.0  # how long they may take: the slowest agent, and storing what it gave
_BAD_ENDS = frozenset({"task.failed", "task.cancelled", "task.undoing"})
RENEW_S = 10.0  # how often a worker renews its leases while agents are at work
PATIENCE_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # waits for a database that does not take results


@dataclass(frozen=True)
class Message:
    """An SQS message as a stage function receives it from `lane` of its queue; `group` is whom it is for."""

    id: str
    body: str
    queue: str
    lane: str
    receive_count: int = 1
    group: str = ""


@dataclass
class Report:
    """What became of a batch: counts by verdict and decision, the facts, the ids of messages to deliver again."""

    failed_messages: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    facts: list[Fact] = field(default_factory=list)


@dataclass
class _Batch:
    """What was claimed from a lane: attempts and leases, whether their start was told, tasks (as numbers) whose stages
    were given back, stages that need not wait after all, facts of tasks that were stopped, stages to mend, stale views.
    """

    lane: str = ""  # empty: as the priority says
    leases: list[Lease] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    told: bool = False
    held: set[int] = field(default_factory=set)
    freed: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[Fact] = field(default_factory=list)
    mend: list[tuple[UUID, str]] = field(default_factory=list)
    stale_views: list[UUID] = field(default_factory=list)
    admissions: list[Admission] = field(default_factory=list)
    gone: list[Job] = field(default_factory=list)  # for which a place may be kept that they do not need
    driven: Mapping[int, Plan] = field(
        default_factory=dict
    )  # by state machines: tasks (as numbers), their plans


@dataclass(frozen=True)
class _Stored:
    """What storing results did: the facts, stages whose results had taken effect before, facts of stopped tasks."""

    facts: list[Fact]
    repeated: list[tuple[UUID, str]]
    stopped: list[Fact]


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
        payloads: Payloads | None = None,
        limits: Limits | None = None,
        day_budgets: DayBudgets | None = None,
        tokens: Tokens | None = None,
        begin: Callable[[Sequence[UUID]], object] = lambda _: None,
        rng: random.Random | None = None,
        reach: Reach = unarmed,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reach = reach
        self._sleep = sleep
        self._tokens = tokens
        self._begin = begin
        self._database = database
        self._queues = queues
        self._live = live
        self._plans = plans
        self._lanes = lanes
        self._lane_of = {str(priority): lane_for(priority, lanes) for priority in Priority}
        self._warn = warn
        rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._families = Families(
            database=database,
            queues=queues,
            plans=plans,
            payloads=payloads,
            lanes=lanes,
            publish=self._publish,
            begin=begin,
            reach=reach,
        )
        self._pauses = Pauses(database)
        self._runner = Runner(
            registry,
            rng,
            reach,
            children_of=self._families.results,
            payloads=payloads,
            stops=self._pauses.stops,
            spent_days=day_budgets.spent if day_budgets else lambda _: {},
        )
        self._gate = Gate(database, queues, limits, warn, rng) if limits else None

    def run(self, messages: Sequence[Message], time_left_s: Callable[[], float] = lambda: inf) -> Report:
        """Do a batch of messages of one queue and lane, up to MAX_JOBS jobs at a time.

        Jobs that there is no time for are sent again.
        Unavailable (of the database) means that all messages must be delivered again.
        """
        report = Report()
        asked, jobs = self._unpack(messages, report)
        taken = self._taken(asked, messages[0].lane) if asked else []
        keys = {(job.task_id, job.stage) for job in taken}
        jobs = [*taken, *(job for job in jobs if (job.task_id, job.stage) not in keys)] if taken else jobs
        for start in range(0, len(jobs), MAX_JOBS):
            if start and time_left_s() < MAX_JOBS_S:
                self._postpone(jobs[start:], messages, report, keys)
                break
            part = jobs[start : start + MAX_JOBS]
            asked_now = keys and keys.intersection((job.task_id, job.stage) for job in part)
            if not self._do(part, messages[0].lane, report, asked_now):
                report.failed_messages = [message.id for message in messages]
                break
        return report

    def _do(
        self, jobs: Sequence[Job], lane: str, report: Report, asked: Collection[tuple[UUID, str]] = ()
    ) -> bool:
        """Do some jobs from claim to send; False means that their messages must come again.

        State machines wait for answers on the stages of `asked`.
        """
        self._reach("engine.received")
        batch = self._claim(jobs, report)
        batch.lane = lane if lane in self._lanes else ""
        ran = self._runner.run(
            batch.attempts,
            lambda waited_s: self._while_running(batch, waited_s),
            lambda choice: self._admit(batch, choice, report),
            lambda held: self._hold(batch, held),
        )
        self._reach("engine.ran")
        facts = self._carry_out(ran, batch)
        self._count(ran, report)
        report.facts += facts
        try:
            self._send(batch, ran, facts)
            self._reach("engine.sent")
            if self._gate:
                self._gate.give_way(batch.admissions, [*batch.gone, *_without_place(ran)], ran.outcomes)
            # After the followers are sent: they need not wait until somebody was told (docs/adr/0005).
            self._publish(facts)
            self._reach("engine.published")
            self._families.ended(facts)
            self._families.told(batch.stopped)
            resend(self._queues, batch.freed, self._lanes)
            self._mend(batch, asked)
            self._answer(asked, batch, facts)
        except Unavailable as exc:
            # Results are stored, but their followers may not be sent: the same messages come again, are found
            # done, and lead to `_mend`.
            self._warn("queues did not take all jobs", {"reason": exc.message})
            return False
        return True

    def _carry_out(self, ran: Ran, batch: "_Batch") -> list[Fact]:
        """Store what came of the attempts; return the facts."""
        # What agents gave comes first: nothing that fails after it has it done again.
        facts = self._keep(ran.outcomes, batch)
        self._reach("engine.completed")
        for attempt, children in ran.spreading:
            try:
                facts += self._families.spread(attempt, children)
            except NestedFailed as exc:
                given_up = self._runner.given_up(attempt, exc)
                facts += self._keep([given_up], batch)
                ran.outcomes.append(given_up)
        if ran.awaiting:
            facts += waiting_store.wait(self._database, ran.awaiting)
            # A budget may have been raised just before: nobody else looks at it again. (That of a day has its time.)
            if unsure := {one.job.task_id for one, waits in ran.awaiting if waits.error and not waits.due_at}:
                batch.freed += waiting_store.unspent(self._database, sorted(unsure))
        waiting = {attempt.job.task_id for attempt, _ in ran.awaiting}
        if ran.outcomes:
            waiting |= {attempt.job.task_id for attempt in batch.attempts if attempt.may_wait}
        facts += self._skip_unwanted(batch, facts)
        if waiting:
            waiting_store.settle(self._database, sorted(waiting))
        return facts

    def _skip_unwanted(self, batch: "_Batch", facts: Sequence[Fact]) -> list[Fact]:
        """Skip what state machines need not ask for, because its `when` says no; return the facts.

        Their choices are told so with the answer of the stage that frees it.
        """
        told: list[Fact] = []
        freed = _conditional(facts, batch.driven) if batch.driven else []
        while freed:
            lease_id = new_id()
            leases = [Lease(task_id, stage, MAX_ATTEMPT, lease_id) for task_id, stage in freed]
            attempts = self._attempts_of(attempt_store.claim(self._database, leases, lease_s=LEASE_S))
            outcomes, wanted = self._runner.unwanted(attempts)
            more = self._keep(outcomes, batch)
            if wanted:
                waiting_store.hold(self._database, wanted)
            told += more
            freed = _conditional(more, batch.driven)
        return told

    def _keep(self, outcomes: Sequence[Outcome], batch: "_Batch") -> list[Fact]:
        """Store outcomes, if there are any; return the facts."""
        if not outcomes:
            return []
        stored = self._store(batch.attempts, outcomes)
        batch.mend += stored.repeated
        batch.stopped += stored.stopped
        return list(stored.facts)

    def _store(self, attempts: Sequence[Attempt], outcomes: Sequence[Outcome]) -> "_Stored":
        """Store results, and with them the end of what ends by them: tasks to be undone, tasks that nobody waits for.

        A database that is away is waited for, because another attempt costs more.
        """
        store = partial(self._complete, attempts, outcomes)
        for patience_s in PATIENCE_S:
            try:
                return store()
            except Unavailable as exc:
                self._warn("results were not stored yet", {"reason": exc.message})
                self._sleep(patience_s)
        return store()

    def _complete(self, attempts: Sequence[Attempt], outcomes: Sequence[Outcome]) -> "_Stored":
        failed = {one.task_id.int for one in outcomes if one.decision.error is not None}
        spread = {
            one.job.task_id.int
            for one in attempts
            if failed and one.plan.template.spreads and one.job.task_id.int in failed
        }

        def store() -> "_Stored":
            completion = attempt_store.complete(self._database, outcomes)
            facts, stopped = completion.facts, list[Fact]()
            if undone := self._undo(attempts, outcomes, facts):
                ours = {one.job.task_id.int for one in attempts}
                facts = facts + [fact for fact in undone if fact.task_id.int in ours]
                stopped += [fact for fact in undone if fact.task_id.int not in ours]
            stopped += self._stop_children(spread, outcomes, facts)
            return _Stored(facts, completion.repeated, stopped)

        ends_more = spread or any(one.leaves_children or one.decision.undoes_task for one in outcomes)
        return self._database.together(store) if ends_more else store()

    def _undo(
        self, attempts: Sequence[Attempt], outcomes: Sequence[Outcome], facts: Sequence[Fact]
    ) -> list[Fact]:
        """Begin to undo the tasks of templates that say how, of which a stage has failed for good."""
        doomed = {one.task_id.int: one for one in outcomes if one.decision.undoes_task}
        if not doomed:
            return []
        told = {fact.task_id.int for fact in facts if fact.event == "stage.failed"}
        plans = {attempt.job.task_id.int: attempt.plan for attempt in attempts}
        found = [one for number, one in doomed.items() if number in told]
        errors = [(one.task_id, {**(one.decision.error or {}), "stage": one.stage}) for one in found]
        return undo_store.undo(self._database, errors, [plans[one.task_id.int] for one in found])

    def _stop_children(
        self, spread: Collection[int], outcomes: Sequence[Outcome], facts: Sequence[Fact]
    ) -> list[Fact]:
        """Cancel tasks that nobody waits for any more: their stage went on without them, or its task failed."""
        stages: list[tuple[UUID, str | None]] = [
            (one.task_id, one.stage) for one in outcomes if one.leaves_children
        ]
        stages += [
            (fact.task_id, None)
            for fact in facts
            if fact.event == "task.failed" and fact.task_id.int in spread
        ]
        return self._families.stop(stages)

    def _hold(self, batch: "_Batch", held: Sequence[Attempt]) -> None:
        """Give back what is paused, before agents are asked: nobody is told that it has started."""
        if freed := waiting_store.hold(self._database, held):
            self._pauses.forget()
            batch.freed += freed
        batch.held |= {attempt.job.task_id.int for attempt in held}

    def _count(self, ran: Ran, report: Report) -> None:
        for outcome in ran.outcomes:
            report.counts[str(outcome.decision.status)] += 1
        for name, found in (("awaiting", ran.awaiting), ("spread", ran.spreading), ("held", ran.held)):
            if found:
                report.counts[name] += len(found)

    def _postpone(
        self,
        jobs: Sequence[Job],
        messages: Sequence[Message],
        report: Report,
        taken: Collection[tuple[UUID, str]],
    ) -> None:
        report.counts["postponed"] += len(jobs)
        left = set(jobs)
        again = [one for message in messages for one in _again(message) if one.job in left]
        # What state machines asked for is noted: their messages are not needed any more.
        known = {(job.task_id, job.stage): job for job in jobs if (job.task_id, job.stage) in taken}
        again = [one for one in again if (one.job.task_id, one.job.stage) not in known]
        queue, lane = messages[0].queue, messages[0].lane
        self._queues.send([*again, *(Delivery(queue, lane, job) for job in known.values())])

    def _unpack(self, messages: Sequence[Message], report: Report) -> tuple[list[Asked], list[Job]]:
        """Return what state machines ask, and the jobs to claim, the latest attempt of each stage.

        Redelivered packs are split, not run.
        """
        jobs: dict[tuple[UUID, str], Job] = {}
        asked: list[Asked] = []
        for message in messages:
            try:
                if self._tokens and (one := asked_in(message.body)):
                    asked.append(one)
                    continue
                pack = unpack(message.body)
            except ValueError:
                self._warn("a message is not a stage message", {"message_id": message.id})
                report.failed_messages.append(message.id)
                report.counts["unreadable"] += 1
                continue
            if message.receive_count > 1 and len(pack) > 1:
                # One of them may have killed the worker: each goes on alone, so that it takes no other with it.
                self._queues.send_alone(_again(message))
                report.counts["split"] += len(pack)
                continue
            for job in pack:
                known = jobs.get((job.task_id, job.stage))
                if known is None or known.attempt < job.attempt:
                    jobs[job.task_id, job.stage] = job
        return asked, list(jobs.values())

    def _taken(self, asked: Sequence[Asked], lane: str) -> list[Job]:
        """Note what state machines ask; return the jobs to do now.

        One that came before its stage may be tried again is sent once more; where that takes longer than a message can
        wait, the sweep sends it.
        """
        assert self._tokens is not None  # noqa: S101 - who calls has looked
        jobs, early = self._tokens.take(asked)
        self._reach("engine.asked")
        self._queues.send(
            [
                Delivery(
                    row["queue"],
                    lane,
                    Job(row["task_id"], row["stage"], row["attempt"]),
                    ceil(row["delay_s"]),
                    str(row["project_id"]),
                )
                for row in early
                if row["delay_s"] <= MAX_DELAY_S
            ]
        )
        return list({(job.task_id, job.stage): job for job in jobs}.values())

    def _answer(self, asked: Collection[tuple[UUID, str]], batch: "_Batch", facts: Sequence[Fact]) -> None:
        """Answer state machines that wait for what was done, or found done; `asked` are stages they ask of now."""
        if self._tokens is None:
            return
        driven = batch.driven
        if not driven and not asked and not batch.mend:
            return
        ours = [attempt.job for attempt in batch.attempts if attempt.job.task_id.int in driven]
        ended = {fact.task_id for fact in facts if fact.event in _BAD_ENDS and fact.task_id.int in driven}
        ended |= {fact.task_id for fact in batch.stopped}
        unheard = self._tokens.answer(
            {*asked, *batch.mend, *((job.task_id, job.stage) for job in ours)}, ended
        )
        if unheard:
            self._begin(sorted(unheard))

    def _claim(self, jobs: Sequence[Job], report: Report) -> "_Batch":
        lease_id = new_id()  # one for the whole batch: who holds it is this call
        leases = [Lease(*job, lease_id) for job in jobs]
        rows = attempt_store.claim(self._database, leases, lease_s=LEASE_S)
        self._reach("engine.claimed")
        attempts = self._attempts_of(rows)
        batch = _Batch(leases=[row["lease"] for row in rows], attempts=attempts, driven=_driven(attempts))
        # Who held the lease before may have told nobody.
        batch.stale_views += [attempt.job.task_id for attempt in batch.attempts if attempt.lease_lost]
        if rows:
            report.counts["claimed"] += len(rows)
        if len(rows) < len(leases):
            granted = {(lease.task_id, lease.stage) for lease in batch.leases}
            self._judge([one for one in leases if (one.task_id, one.stage) not in granted], batch, report)
        return batch

    def _attempts_of(self, rows: Sequence[Mapping[str, Any]]) -> list[Attempt]:
        plans = self._plans_of({row["template_id"] for row in rows})
        projects = {text: UUID(text) for text in {row["project_id"] for row in rows}}
        attempts = []
        for row in rows:
            plan = plans[row["template_id"]]
            if row["aside"] is not None and (only_stage := row["aside"].get("only_stage")):
                plan = plan.of_item(only_stage)
            attempts.append(Attempt.of(row, projects[row["project_id"]], plan))
        return attempts

    def _judge(self, refused: Sequence[Lease], batch: "_Batch", report: Report) -> None:
        """Account for jobs that are not ours. A busy one is dropped: its lease has a holder, or the sweep."""
        ended: set[tuple[UUID, str]] = set()
        for row in attempt_store.judge(self._database, refused):
            report.counts[row["verdict"]] += 1
            if row["verdict"] in {"done", "stale"}:
                batch.mend.append((row["task_id"], row["stage"]))
            if row["verdict"] != "busy":
                ended.add((row["task_id"], row["stage"]))
        batch.gone += [Job(*one[:3]) for one in refused if (one.task_id, one.stage) in ended]

    def _plans_of(self, template_ids: set[str]) -> dict[str, Plan]:
        found = self._plans.of(UUID(text) for text in template_ids)
        return {str(template_id): plan for template_id, plan in found.items()}

    def _while_running(self, batch: "_Batch", waited_s: float) -> float:
        """Tell followers that agents are at work, and keep their leases; return after how long to be called again."""
        if not batch.told:
            begun = [one for one in batch.attempts if one.job.task_id.int not in batch.held]
            self._publish([_started(attempt) for attempt in begun])
            batch.told = True
            self._reach("engine.started")
        if waited_s >= RENEW_S:
            try:
                attempt_store.renew(self._database, batch.leases, lease_s=LEASE_S)
            except Unavailable as exc:
                self._warn("leases were not renewed", {"reason": exc.message})
            if self._gate:
                for admission in batch.admissions:
                    self._gate.keep(admission)
        return RENEW_S

    def _admit(self, batch: "_Batch", choice: Choice, report: Report) -> None:
        """Keep back the attempts for which a limit leaves no place."""
        if self._gate is None:
            return
        admission = self._gate.admit(choice, lambda one, job: self._delivery(one, batch.lane, job))
        if admission is None:
            return
        batch.admissions.append(admission)
        if admission.refused:
            away = {_place(one.attempt) for one in admission.refused}
            batch.attempts = [attempt for attempt in batch.attempts if _place(attempt) not in away]
            batch.leases = [attempt.lease for attempt in batch.attempts]
            report.counts["waiting"] += len(away)

    def _send(self, batch: "_Batch", ran: Ran, facts: Sequence[Fact]) -> None:
        """Send what became ready, what is tried again or waits for a while, and the dead letters."""
        by_task = {attempt.job.task_id.int: attempt for attempt in batch.attempts}
        retried = [one for one in ran.outcomes if one.decision.retry_delay_s]
        delays = {(one.task_id, one.stage): one.decision.retry_delay_s for one in retried}
        failed = {fact.task_id.int for fact in facts if fact.event == "task.failed"}
        deliveries: list[Delivery] = []
        letters: dict[str, list[dict[str, Any]]] = defaultdict(list)
        # What these free may have had attempts before: only the rows know how many.
        resumed = {one.job.task_id.int for one in batch.attempts if one.row["aside"] and one.base_attempt}
        freeing: set[UUID] = set()
        for fact in facts:
            attempt = by_task[fact.task_id.int]
            if fact.event == "stage.failed":
                letters[attempt.plan.stage(str(fact.stage)).queue].append(_dead_letter(attempt, fact))
            elif fact.task_id.int in failed:
                continue
            elif fact.task_id.int in batch.driven and not (attempt.undoes or fact.event == "task.undoing"):
                continue  # its state machine sends what follows, when it is answered
            elif fact.event == "stage.retrying":
                stage = str(fact.stage)
                delay_s = delays.get((fact.task_id, stage)) or 0.0
                job = Job(fact.task_id, stage, (fact.attempt or 1) + 1)
                if delay_s <= MAX_DELAY_S:  # else the sweep sends it when its time has come
                    deliveries.append(self._delivery(attempt, batch.lane, job, ceil(delay_s)))
            if resumed and fact.frees and fact.task_id.int in resumed:
                freeing.add(fact.task_id)
                continue
            for freed in fact.frees or ():
                deliveries.append(self._delivery(attempt, batch.lane, Job(fact.task_id, freed, 1)))
        for attempt, waits in ran.awaiting:
            left_s = (waits.due_at - attempt.row["started_at"]).total_seconds() if waits.due_at else inf
            if attempt.job.task_id.int in batch.driven and not waits.error:
                continue  # its state machine waits too
            if left_s <= MAX_DELAY_S:  # else the sweep sends it when its time has come
                job = Job(attempt.job.task_id, attempt.job.stage, attempt.job.attempt)
                deliveries.append(self._delivery(attempt, batch.lane, job, ceil(left_s)))
        self._queues.send(deliveries)
        if freeing:
            resend(self._queues, unsent_store.ready_stages(self._database, sorted(freeing)), self._lanes)
        self._send_dead(letters)

    def _send_dead(self, letters: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        for queue, dead in letters.items():
            self._queues.send_dead(queue, dead)

    def _delivery(self, attempt: Attempt, lane: str, job: Job, delay_s: int = 0) -> Delivery:
        """Address a job to the lane that its task is in; by its priority where that lane is gone."""
        row = attempt.row
        queue = attempt.plan.stage(job.stage).queue
        return Delivery(queue, lane or self._lane_of[row["priority"]], job, delay_s, row["project_id"])

    def _mend(self, batch: "_Batch", asked: Collection[tuple[UUID, str]]) -> None:
        """A job found done or replaced may come again because its worker died before it sent and told: do that now.

        What follows a stage that a state machine asked for, it asks for itself.
        """
        mended = sorted({task_id for task_id, _ in batch.mend})
        if mended:
            self._families.wake(mended)
            if unsent := sorted({task_id for task_id, stage in batch.mend if (task_id, stage) not in asked}):
                resend(self._queues, unsent_store.ready_stages(self._database, unsent), self._lanes)
            letters: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for row in unsent_store.dead_stages(self._database, batch.mend):
                letters[row.pop("queue")].append(row)
            self._send_dead(letters)
        if not mended and not batch.stale_views:
            return
        try:
            self._live.outdate([*mended, *batch.stale_views])
        except Unavailable as exc:
            self._warn("live views were not renewed", {"reason": exc.message})

    def _publish(self, facts: Sequence[Fact]) -> None:
        try:
            self._live.publish(facts)
        except Unavailable as exc:
            # Postgres has the truth; readers rebuild what Redis lacks.
            self._warn("events were not published", {"reason": exc.message})


def _again(message: Message) -> list[Delivery]:
    """Return what sends the jobs of a message once more, the way it came; nothing for one that is not ours."""
    try:
        pack = unpack(message.body)
    except ValueError:
        return []
    return [Delivery(message.queue, message.lane, job, 0, message.group) for job in pack]


def _without_place(ran: Ran) -> list[Job]:
    """Return the jobs for which a place may be kept that they do not need: what is held, or waits."""
    found = [*ran.held, *(attempt for attempt, _ in ran.awaiting)] if ran.held or ran.awaiting else []
    return [Job(one.job.task_id, one.job.stage, one.job.attempt) for one in found]


def _conditional(facts: Sequence[Fact], plans: Mapping[int, Plan]) -> list[tuple[UUID, str]]:
    """Return the stages with `when` that facts free, of tasks (as numbers) with these plans."""
    return [
        (fact.task_id, name)
        for fact in facts
        if fact.frees and fact.task_id.int in plans and fact.event != "task.undoing"
        for name in fact.frees
        if plans[fact.task_id.int].stage(name).when is not None
    ]


def _driven(attempts: Sequence[Attempt]) -> dict[int, Plan]:
    """Return the plans of those tasks (as numbers) whose stages a state machine asks for."""
    return {one.job.task_id.int: one.plan for one in attempts if one.plan.state_machine is not None}


def _place(attempt: Attempt) -> tuple[int, str]:
    return attempt.job.task_id.int, attempt.job.stage


def _started(attempt: Attempt) -> Fact:
    row, job = attempt.row, attempt.job
    return Fact(
        row["started_id"], job.task_id, job.stage, "stage.started", job.attempt, "{}", row["started_at"]
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
