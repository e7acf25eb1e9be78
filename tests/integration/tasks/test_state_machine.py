"""The SQL of tasks and the model, side by side through all that can happen, two sessions at once among it."""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from steersman.db.connection import Database
from steersman.tasks import attempt_store, log_store, sweep_store, task_store
from steersman.tasks.attempt_store import Lease, Outcome
from steersman.tasks.attempts import Attempt
from steersman.tasks.log_store import Fact
from steersman.tasks.planner import DeadlinePassed, Plan, describe
from tests.fixtures.engine import Rig
from tests.unit.tasks.carrier import Claim, Finish, Grant, Seen, Told
from tests.unit.tasks.dags import Dag
from tests.unit.tasks.histories import Event
from tests.unit.tasks.machine import TaskMachine, batches, moods, seeds
from tests.unit.tasks.reference import decide
from tests.unit.tasks.world import some

RNG = random.Random(3)  # noqa: S311 - jitter
LEASE_S = 600.0
SOON_S = -60.0  # what waits since less than no time: all that waits
NAMES = count(1)


class SqlCarrier:
    """Tasks in PostgreSQL; `twin` is the same on a connection of its own."""

    def __init__(self, rig: Rig, database: Database, watch: Database) -> None:
        self.rig = rig
        self.database = rig.database
        self.watch = watch
        self.ids: list[UUID] = []
        self.plans: list[Plan] = []
        self.inputs: list[dict[str, Any]] = []
        self.starts = set[int]()
        self.twin = self._with(database)

    def _with(self, database: Database) -> "SqlCarrier":
        twin = object.__new__(SqlCarrier)
        vars(twin).update(vars(self), database=database)
        return twin

    def submit(self, dag: Dag) -> list[Event]:
        document = dag.document()
        plan = self.rig.publish(document["stages"], output=dag.output, name=f"drawn_{next(NAMES)}")
        (task_id,) = self.rig.submit(plan, input=dag.input)
        self.ids.append(task_id)
        self.plans.append(plan)
        self.inputs.append(dag.input)
        return self.log(len(self.ids) - 1)

    def claim(self, claims: Sequence[tuple[int, Claim]]) -> list[Grant]:
        leases = [
            Lease(task_id=self.ids[task], stage=claim.stage, attempt=claim.attempt, lease_id=claim.lease)
            for task, claim in claims
        ]
        granted = attempt_store.claim(self.database, leases, lease_s=LEASE_S)
        rows = {(row["lease"].task_id, row["stage"]): row for row in granted}
        refused = [lease for lease in leases if (lease.task_id, lease.stage) not in rows]
        verdicts = {
            (row["task_id"], row["stage"]): row["verdict"]
            for row in (attempt_store.judge(self.database, refused) if refused else [])
        }
        return [
            self._grant(task, claim, rows[key])
            if (key := (self.ids[task], claim.stage)) in rows
            else Grant(verdicts[key])
            for task, claim in claims
        ]

    def _grant(self, task: int, claim: Claim, row: dict[str, Any]) -> Grant:
        attempt = Attempt.of(row, claim.lease, self.plans[task])
        first = row["started_id"] not in self.starts
        self.starts.add(row["started_id"])
        return Grant("claimed", row["attempt"], first, row["deadline_passed"], dict(attempt.job.results))

    def finish(self, finishes: Sequence[tuple[int, Finish]]) -> Told:
        outcomes = [self._outcome(task, finish) for task, finish in finishes]
        return self._told(attempt_store.complete(self.database, outcomes).facts)

    def _outcome(self, task: int, finish: Finish) -> Outcome:
        grant = finish.grant
        decision = decide(
            self.plans[task],
            finish.stage,
            grant.attempt,
            self.inputs[task],
            grant.results or {},
            finish.answer,
            RNG,
            overdue=grant.overdue,
        )
        return Outcome(
            task_id=self.ids[task],
            stage=finish.stage,
            lease_id=finish.lease,
            decision=decision,
            tokens=finish.tokens,
        )

    def stop(self, tasks: Sequence[int], status: str) -> Told:
        error = describe(DeadlinePassed("too late")) if status == "failed" else None
        ids = [self.ids[task] for task in tasks]
        return self._told(task_store.stop(self.database, ids, status=status, errors=[error] * len(ids)))

    def expire(self, task: int, stage: str) -> None:
        statement = """
            UPDATE task_stages SET lease_expires_at = now() - interval '1 s'
            WHERE task_id = %(id)s AND name = %(stage)s"""
        self.database.run(statement, {"id": self.ids[task], "stage": stage})

    def pass_deadline(self, task: int) -> None:
        statement = "UPDATE task_histories SET deadline_at = now() - interval '1 s' WHERE id = %(id)s"
        self.database.run(statement, {"id": self.ids[task]})

    def stranded(self) -> set[tuple[int, str, int, bool]]:
        rows = sweep_store.stranded(self.database, older_than_s=SOON_S, limit=100_000).rows
        found = [(self.ids.index(row["task_id"]), row) for row in rows if row["task_id"] in self.ids]
        return {(task, row["stage"], row["attempt"], row["deadline_passed"]) for task, row in found}

    def see(self, task: int) -> Seen:
        row = self.rig.task(self.ids[task])
        stages = {
            stage["name"]: (stage["status"], stage["attempt"], stage["pending_needs"])
            for stage in row["stages"]
        }
        failed_at = (row["error"] or {}).get("stage")
        return Seen(row["status"], row["output"], row["tokens"], failed_at, stages)

    def log(self, task: int) -> list[Event]:
        facts = log_store.facts(self.rig.database, self.ids[task])
        return [(fact.event, fact.stage, fact.attempt) for fact in facts]

    def close(self) -> None:
        self.rig.sqs.queues.clear()

    def overlap(self, first: Callable[[Any], Any], second: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Do `first` and commit it only when `second`, in a session of its own, has ended or waits for it."""
        with ThreadPoolExecutor(1) as pool:
            with self.database.transaction():
                one = first(self)
                (pid,) = self.twin.database.run("SELECT pg_backend_pid() AS pid")[0].values()
                other = pool.submit(second, self.twin)
                self._until_it_waits(other, pid)
            return one, other.result(60)

    def _until_it_waits(self, call: "Future[Any]", pid: int) -> None:
        statement = "SELECT cardinality(pg_blocking_pids(%(pid)s)) > 0 AS waits"
        while not wait([call], 0.001).done:
            if self.watch.run(statement, {"pid": pid})[0]["waits"]:
                return

    def _told(self, facts: Sequence[Fact]) -> Told:
        """Return what lines tell but starts, of which their claims told."""
        return [
            (self.ids.index(event.task_id), (event.event, event.stage, event.attempt))
            for fact in facts
            for event in fact.each()
            if event.event != "stage.started"
        ]


class SqlMachine(TaskMachine):
    """The machine, with workers that meet in the database."""

    @precondition(lambda self: self.world.held)
    @rule(
        others=st.sampled_from(["claim", "claim again", "report again", "stop"]),
        swap=st.booleans(),
        seed=seeds,
        size=batches,
        mood=moods,
    )
    def meet(self, others: str, swap: bool, seed: int, size: int, mood: str) -> None:
        """Results are stored while another session claims, reports or ends tasks: as if one came after the other."""
        results = self.world.report(seed, size, mood)
        if others == "claim":
            other = self.world.delivery(seed, size)
        elif others == "claim again":
            other = self.world.claiming(self.world.sent)
        elif others == "stop" and self.ends_left:
            self.ends_left -= 1
            other = self.world.stopping(range(len(self.world.models)), "cancelled")
        else:
            other = self.world.finishing(some(self.world.reported, 100, seed), seed + 1, mood)
        self.world.meet(*((other, results) if swap else (results, other)))

    @rule(seed=seeds, mood=moods)
    def meet_at_needs(self, seed: int, mood: str) -> None:
        """Two workers report at once what they did of the same tasks: the last of a stage's needs sets it free."""
        self.world.do(self.world.delivery(seed, len(self.world.waiting)))
        half = len(self.world.held) // 2
        self.world.meet(self.world.report(seed, half, mood), self.world.report(seed, half + 1, "steady"))

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=batches)
    def meet_at_claim(self, seed: int, size: int) -> None:
        """The same messages come to two workers at once: one gets each lease."""
        messages = list(self.world.waiting)
        first = self.world.delivery(seed, size)
        self.world.meet(first, self.world.claiming(messages))


@pytest.fixture
def sessions(database_url: str) -> Iterator[tuple[Database, Database]]:
    """Give two more connections to the test's database: one as stage functions have it, and one to watch."""
    databases = Database(database_url, steady_plans=True), Database(database_url)
    yield databases
    for opened in databases:
        opened.close()


def test_the_sql_and_the_model_agree_whatever_happens(rig: Rig, sessions: tuple[Database, Database]) -> None:
    """On DAGs to 60 stages, in batches of many stages of several tasks: after every move both have the same state."""
    run_state_machine_as_test(
        lambda: SqlMachine(SqlCarrier(rig, *sessions)),  # type: ignore[arg-type]  # a factory serves too
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],  # to shrink on a database takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
