"""Work of every kind through all that can happen to it, held to what was promised of it."""

import json
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused, Conflict
from steersman.tasks import pause_store
from steersman.tasks.approvals import Approvals
from steersman.tasks.engine import Message
from steersman.tasks.open_work import OpenWork
from steersman.tasks.orchestration import Orchestration
from steersman.tasks.plans import Plans
from steersman.tasks.steering import Steering
from steersman.tasks.sweep import sweep
from steersman.tasks.tokens import Tokens
from steersman.tasks.words import Orchestrator
from tests.fixtures.engine import LANES, Rig
from tests.fixtures.resuming import again, asked
from tests.integration.tasks.running_machines import RunningMachines
from tests.unit.tasks.works import Work, faults, says_yes, works

ENDS = {"completed", "failed", "cancelled"}
COST = Decimal("0.01")
ASKS = "s.status = 'awaiting' AND s.capability = 'approval' AND s.error IS NULL AND s.answer IS NULL"
WAITS = "s.status = 'awaiting' AND s.capability = 'wait' AND s.error IS NULL"
MOVES = (
    "work",
    "work",
    "work",
    "again",
    "lose",
    "forget",
    "sweep",
    "answer",
    "time",
    "pause",
    "resume",
    "raise",
    "silence",
    "gone",
)


class Way:
    """A task of drawn work with all below it, and what can happen to them; agents note what they are asked."""

    def __init__(
        self,
        rig: Rig,
        client: redis.Redis,
        work: Work,
        rng: random.Random,
        *,
        budget: bool,
        orchestrator: Orchestrator,
    ) -> None:
        self.rig, self.client, self.work, self.rng = rig, client, work, rng
        self.orchestrator = orchestrator
        rig.sqs.queues.clear()
        rig.machines = self.machines = RunningMachines(rig.sqs)
        rig.agent.jobs.clear()
        self.works = {one.name: one for one in work.all()}
        for one in work.all():
            document = one.document()
            plan = rig.publish(
                document["stages"],
                output=document["output"],
                name=one.name,
                deadline_s=86_400,
                orchestrator=orchestrator,
            )
        rig.behaviours.clear()
        rig.behaviours |= dict.fromkeys(self._stage_names(), self._behave)
        (self.task_id,) = rig.submit(plan, constraints={"budget_usd": "0.000001"} if budget else {})
        self.wrong: list[str] = []
        self.waiting: list[Message] = []
        self.old: list[Message] = []
        parts = rig.shared()
        self.steering, self.approvals = Steering(**parts), Approvals(**parts, plans=Plans(rig.database))
        self.reruns = again(rig, client).reruns

    def _stage_names(self) -> set[str]:
        return {stage["name"] for one in self.works.values() for stage in one.document()["stages"]}

    def _behave(self, job: StageJob) -> StageResult | AgentError:
        (row,) = self.rig.database.run(
            "SELECT template_name, paused FROM task_histories WHERE id = %(id)s", {"id": job.task_id}
        )
        if row["paused"] is not None:  # what is raised here would count as the agent's error
            self.wrong.append(f"{job.stage} began while its task was paused")
        if not says_yes(self.works[row["template_name"]], job.stage, job.input):
            return AgentRefused("no")
        if job.attempt == 1 and self.rng.random() < 0.2:
            return AgentError("not now")
        return StageResult({"stage": job.stage}, cost_usd=COST)

    def family(self) -> list[dict[str, Any]]:
        """Return all tasks, parents first."""
        statement = """
            WITH RECURSIVE family AS (
              SELECT id, 0 AS depth FROM task_histories WHERE id = %(id)s
              UNION ALL SELECT c.id, f.depth + 1 FROM family f JOIN task_histories c ON c.parent_task_id = f.id
            )
            SELECT t.id, t.status, t.template_name, t.paused, t.only_stage, t.parent_task_id FROM family f
            JOIN task_histories t ON t.id = f.id ORDER BY f.depth, t.id"""
        return self.rig.database.run(statement, {"id": self.task_id})

    def stages(self, condition: str) -> list[tuple[UUID, str]]:
        """Return the stages of open tasks of which an SQL condition on `s` holds."""
        statement = f"""
            SELECT s.task_id, s.name FROM task_stages s
            WHERE s.task_id = ANY(%(ids)s) AND {condition} ORDER BY s.task_id, s.name"""  # noqa: S608
        rows = self.rig.database.run(statement, {"ids": [row["id"] for row in self.family()]})
        return [(row["task_id"], row["name"]) for row in rows]

    def move(self, name: str) -> None:
        self.waiting += self.rig.sqs.take_all()
        moves: dict[str, Callable[[], None]] = {
            "work": self._work,
            "again": lambda: self._run(self._some(self.old)),
            "lose": self._lose,
            "forget": lambda: self.rig.lose_wakes(self._work),
            "sweep": self.sweep,
            "answer": lambda: self.answer(self._some(self.stages(ASKS))),
            "time": lambda: self.pass_time(self._some(self.stages(WAITS))),
            "pause": self._pause,
            "resume": lambda: self.resume(self._some(self._paused())),
            "raise": self.raise_budget,
            "silence": lambda: self._silence(self._some(self.machines.asked())),
            "gone": self._end_an_execution,
        }
        moves[name]()
        self.check()

    def check(self) -> None:
        """Hold what is at work of each fan-out to its limit."""
        statement = """
            SELECT p.template_name, c.parent_stage AS stage, count(*) AS at_work
            FROM task_histories c JOIN task_histories p ON p.id = c.parent_task_id
            JOIN task_stages s ON s.task_id = c.id
            WHERE c.parent_task_id = ANY(%(ids)s) AND c.status IN ('running', 'retrying', 'awaiting')
            GROUP BY c.parent_task_id, p.template_name, c.parent_stage, c.parent_attempt"""
        for row in self.rig.database.run(statement, {"ids": [row["id"] for row in self.family()]}):
            part = self.works[row["template_name"]].by_name[row["stage"]]
            assert part.kind != "each" or row["at_work"] <= part.at_work, "more at work than the limit"

    def _some(self, items: list[Any]) -> list[Any]:
        return self.rng.sample(items, self.rng.randint(1, len(items))) if items else []

    def _run(self, messages: list[Message]) -> None:
        if messages:
            self.rig.engine.run(messages)

    def _work(self) -> None:
        chosen = self._some(self.waiting)
        self.waiting = [message for message in self.waiting if message not in chosen]
        self.old += chosen
        self._run(chosen)

    def _silence(self, tokens: list[str]) -> None:
        for token in tokens:
            self.machines.fall_silent(token)
            self.machines.let_time_pass()

    def _end_an_execution(self) -> None:
        if running := self.machines.running:
            self.machines.end(self.rng.choice(running), "ABORTED")

    def _lose(self) -> None:
        lost = self._some([one for one in self.waiting if not self.machines.waits_for(one.body)])
        self.waiting = [message for message in self.waiting if message not in lost]

    def _pause(self) -> None:
        row = self.rng.choice(self.family())
        pause_store.pause(self.rig.database, row["id"], by="test", reason=None)

    def _paused(self) -> list[UUID]:
        return [row["id"] for row in self.family() if row["paused"] and row["status"] not in ENDS]

    def resume(self, task_ids: list[UUID]) -> None:
        for task_id in task_ids:
            self.steering.resume_task(task_id, by="test")

    def answer(self, stages: list[tuple[UUID, str]]) -> None:
        names = {row["id"]: row["template_name"] for row in self.family()}
        for task_id, stage in stages:
            good = self.works[names[task_id]].by_name[stage].good
            self.approvals.answer(task_id, stage, approved=good, answer={}, comment=None, by="test")

    def pass_time(self, stages: list[tuple[UUID, str]]) -> None:
        for task_id, stage in stages:
            self.rig.pass_time(task_id, stage)

    def raise_budget(self) -> None:
        if self.family()[0]["status"] not in ENDS:
            self.steering.amend(self.task_id, {"budget_usd": "1000"}, by="test")

    def rerun(self) -> bool:
        """Have the task, which has ended, run again from some of its stages; say whether it does.

        What was undone does not.
        """
        chosen = self._some([part.name for part in self.work.parts])
        try:
            self.reruns.rerun(self.task_id, chosen, asked())
        except Conflict:
            undone = {part.undo for part in self.work.parts} & self.rig.statuses(self.task_id).keys()
            assert undone, "what has ended does not run again"
            return False
        return True

    def sweep(self) -> None:
        plans = Plans(self.rig.database)
        tokens = Tokens(database=self.rig.database, machines=self.rig.door, plans=plans)
        sweep(
            database=self.rig.database,
            queues=self.rig.queues,
            live=self.rig.live,
            open_work=OpenWork(self.client),
            orchestration=Orchestration(self.rig.executions, tokens),
            plans=plans,
            lanes=LANES,
            warn=lambda text, _: self.rig.warnings.append(text),
            stranded_after_s=-1.0,
        )

    def hold_to_promise(self) -> None:
        """Hold every task of the family to its work: items have none of their own, they are held by their parents."""
        rows = self.family()
        top = self.rig.task(rows[0]["id"])
        for row in rows:
            task = self.rig.task(row["id"])
            if row["only_stage"] is None:
                wrong = faults(
                    self.works[row["template_name"]], task["status"], task["stages"], task["error"]
                )
                assert not wrong, (self.work, row, wrong)
                self._hold_execution(row)
        ran = [(job.task_id, job.stage, job.attempt) for job in self.rig.agent.jobs]
        assert len(set(ran)) == len(ran), "an attempt ran twice"
        assert not self.wrong, self.wrong
        assert top["status"] != "cancelled", "nobody cancelled it"
        assert top["cost_usd"] == sum((Decimal(stage["cost_usd"]) for stage in top["stages"]), Decimal(0))

    def _hold_execution(self, row: Mapping[str, Any]) -> None:
        """Hold the last execution of a task, where it had any, to the task's end: one that was cut off says nothing."""
        ends = [end for name, end in self.machines.executions.items() if name.startswith(str(row["id"]))]
        wrong = {"completed": "FAILED", "failed": "SUCCEEDED"}.get(row["status"])
        assert not ends or ends[-1] != wrong, f"a task that is {row['status']} has executions {ends}"

    def end(self, *, sweeps: bool = True) -> None:
        """Answer, resume and raise all there is, and let workers and the sweep end it, or workers alone."""
        self._run(self.waiting)
        for _ in range(100):
            if all(row["status"] in ENDS for row in self.family()):
                return self._end_executions(silence=sweeps)
            self.resume(self._paused())
            if sweeps:  # it sends what is ready
                self.raise_budget()
            self.answer(self.stages(ASKS))
            self.pass_time(self.stages(WAITS))
            if sweeps:
                self.sweep()
            elif self.orchestrator is Orchestrator.QUEUE:
                self._deliver(self.stages(WAITS))
            self.rig.drain()
            self.pass_time(self.stages(WAITS))
            while self.machines.let_time_pass():
                self.rig.drain()
                self.pass_time(self.stages(WAITS))
        stages = [(name, *row) for row in self.family() for name in self.rig.statuses(row["id"]).items()]
        raise AssertionError(f"it does not end: {stages} {self.machines.executions}")

    def _deliver(self, stages: list[tuple[UUID, str]]) -> None:
        """Deliver at their time the delayed messages of stages, which the queues in memory deliver at once."""
        for task_id, stage in stages:
            entry = {"Id": "1", "MessageBody": json.dumps({"jobs": [[str(task_id), stage, 1]]})}
            self.rig.sqs.send_message_batch(QueueUrl="mem://executor-standard", Entries=[entry])

    def _end_executions(self, *, silence: bool) -> None:
        """Let executions hear of what has ended; with `silence` those whose messages were lost ask again."""
        for _ in range(100):
            if not self.machines.running:
                return
            if silence:
                self._silence(self.machines.asked())
            self.rig.drain()
            while self.machines.let_time_pass():
                self.rig.drain()
        raise AssertionError(f"executions of ended tasks run: {self.machines.running}")


ON_A_DATABASE = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink on a database takes minutes
    suppress_health_check=list(HealthCheck),
)


@ON_A_DATABASE
@given(
    works(),
    st.lists(st.sampled_from(MOVES), max_size=25),
    st.integers(0, 2**16),
    st.booleans(),
    st.sampled_from(Orchestrator),
)
def test_work_of_every_kind_comes_to_what_was_promised(
    rig: Rig,
    redis_client: redis.Redis,
    work: Work,
    moves: list[str],
    seed: int,
    budget: bool,
    orchestrator: Orchestrator,
) -> None:
    """Fan-outs, nested tasks, approvals, waits and undoing end as promised on queues and by state machines, whatever
    is lost, doubled or paused.
    """
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    way = Way(rig, redis_client, work, rng, budget=budget, orchestrator=orchestrator)
    for move in moves:
        way.move(move)
    way.end()
    way.hold_to_promise()


@ON_A_DATABASE
@given(
    works(),
    st.lists(st.sampled_from(MOVES), max_size=10),
    st.integers(0, 2**16),
    st.integers(1, 2),
    st.sampled_from(Orchestrator),
)
def test_work_that_runs_again_comes_to_what_was_promised(
    rig: Rig,
    redis_client: redis.Redis,
    work: Work,
    moves: list[str],
    seed: int,
    runs: int,
    orchestrator: Orchestrator,
) -> None:
    """A task that runs again from any of its stages, on queues and by state machines, ends as it is to end,
    whatever is lost, doubled or paused meanwhile.
    """
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    way = Way(rig, redis_client, work, rng, budget=False, orchestrator=orchestrator)
    way.end()
    for _ in range(runs):
        if not way.rerun():
            break
        for move in moves:
            way.move(move)
        way.end()
        way.hold_to_promise()


@ON_A_DATABASE
@given(works(), st.integers(0, 2**16), st.sampled_from(Orchestrator))
def test_undisturbed_work_ends_by_itself(
    rig: Rig, redis_client: redis.Redis, work: Work, seed: int, orchestrator: Orchestrator
) -> None:
    """Where nothing is lost nothing need be swept: each orchestrator brings all work to its end alone."""
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    way = Way(rig, redis_client, work, rng, budget=False, orchestrator=orchestrator)
    way.end(sweeps=False)
    way.hold_to_promise()
