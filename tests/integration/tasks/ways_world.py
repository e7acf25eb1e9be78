"""Tasks of drawn templates with their engine, messages and people, and a look after each step at what came of it."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from uuid import UUID

import redis

from steersman.agents.job import StageJob, StageResult
from steersman.aws.queues import Job, pack, unpack
from steersman.errors import AgentError, Conflict
from steersman.failpoints import unarmed
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.tasks import task_store
from steersman.tasks.approvals import Approvals
from steersman.tasks.engine import Engine, Message
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from steersman.tasks.steering import Steering
from steersman.tasks.sweep import sweep
from tests.fixtures.engine import Rig
from tests.fixtures.resuming import again, asked
from tests.integration.tasks.drawn_ways import COST, Document, all_after, answer, documents
from tests.integration.tasks.seen_ways import BEGUN, ENDS, WELL, Heard, Place, Row, Seen
from tests.unit.tasks.world import some

NAMES = count(1)
# What begins or ends by a worker's hand: none of it may be told of what stands still.
WORK = {f"stage.{word}" for word in ("completed", "skipped", "failed", "retrying", "spread", "awaiting")}


class Died(BaseException):
    """Stands for SIGKILL: nothing in the product may catch it."""


class World:
    """What there is: tasks with all below them, messages on their way, what agents and people said."""

    def __init__(self, rig: Rig, client: redis.Redis) -> None:
        self.rig, self.database = rig, rig.database
        rig.sqs.queues.clear()
        rig.agent = self  # type: ignore[assignment]  # it answers as drawn, and looks who is asked, and when
        shared = rig.shared()
        plans = Plans(rig.database)
        self.engines = [rig.new_engine(), rig.new_engine()]
        self.idle = list(self.engines)
        self.steering, self.approvals = Steering(**shared), Approvals(**shared, plans=plans)
        ended = self.engines[0]._families.ended
        self.tasks = Tasks(database=rig.database, live=rig.live, plans=plans, ended=ended)
        self.reruns = again(rig, client).reruns
        self.sweeps = partial(sweep, **shared, plans=plans, stranded_after_s=-1.0)
        self.seeds: dict[UUID, int] = {}
        self.templates: dict[str, Document] = {}
        self.heard = Heard()
        self.paused: set[UUID] = set()
        self.paused_templates: set[str] = set()
        self.runs: dict[UUID, int] = {}
        self.waiting: list[Job] = []
        self.sent: list[Job] = []
        self.wrong: list[str] = []
        self.meanwhile: Callable[[], None] | None = None
        self.holds = True
        self._steps = self._last_line = 0
        self._still: set[UUID] = set()
        self.seen = Seen(self.database, [], {})

    def submit(self, seed: int) -> None:
        """Accept a task of drawn templates."""
        for document in documents(seed, f"drawn_{next(NAMES)}"):
            self.templates[document["name"]] = document
            plan = self.rig.publish(**document)
        self.rig.open_work.submitted()
        (task_id,) = self.rig.submit(plan, deadline_at=datetime.now(UTC) + timedelta(days=10))
        self.seeds[task_id] = seed

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        """Answer as an agent, and note who is asked that may not be: what is raised here counts as an agent's error."""
        said = [self._said(job) for job in jobs]
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return said

    def _said(self, job: StageJob) -> StageResult | AgentError:
        task, key = self.seen.tasks[job.task_id], (job.task_id, job.stage, job.attempt)
        stages = self.seen.stages[job.task_id]
        needs = {need: stages[need] for need in self.seen.document(job.task_id, job.stage)["needs"]}
        faults = {
            "again": key in self.heard.agents,
            "of an ended task": task["status"] in ENDS,
            "though it was paused": job.task_id in self._still,
            "before its needs ended": any(row["status"] not in WELL for row in needs.values()),
            "without what its needs gave": any(
                job.results[need] != row["output"] for need, row in needs.items()
            ),
            "though others are at work": self._is_one_too_many(task),
        }
        self.wrong += [
            f"{job.stage} of {task['place']} was asked {word}" for word, bad in faults.items() if bad
        ]
        seed = self.seeds[self._top(job.task_id)]
        given = answer(seed, task["place"].partition("/")[2], job)
        self.heard.agents[key] = given
        self._at_work.add(job.task_id)
        return given

    def _is_one_too_many(self, task: Row) -> bool:
        """Say whether a task begins that has to wait for its turn."""
        if task["parent_task_id"] is None:
            return False
        place = (task["parent_task_id"], task["parent_stage"])
        each = self.seen.document(*place).get("for_each")
        begun = {
            row["id"]
            for row in self.seen.latest(*place)
            if row["status"] in BEGUN or row["id"] in self._at_work
        }
        return each is not None and len(begun | {task["id"]}) > each["concurrency"]

    def _top(self, task_id: UUID) -> UUID:
        while (parent := self.seen.tasks[task_id]["parent_task_id"]) is not None:
            task_id = parent
        return task_id

    def take(self, seed: int, size: int) -> list[Job]:
        """Take messages that wait."""
        found = some(self.waiting, size, seed)
        for job in found:
            self.waiting.remove(job)
        return found

    def deliver(self, jobs: Sequence[Job], engine: Engine | None = None) -> None:
        """Give a batch to a worker, the first if none is named, each job in a message of its own."""
        self.sent += jobs
        if jobs:
            messages = [Message(str(new_id()), pack([job])[0], "executor", "standard") for job in jobs]
            (engine or self.engines[0]).run(messages)

    def deliver_until(
        self, jobs: Sequence[Job], point: str, action: Callable[[], None], *, dies: bool
    ) -> None:
        """Give a batch to a worker that does something at a point of its way, if it comes there, and may die of it."""
        due = [action]

        def reach(name: str) -> None:
            if name == point and due:
                due.pop()()
                if dies:
                    raise Died(name)

        engine = self.idle.pop()  # one is busy where this is done while its agents are at work
        engine._reach = engine._families._reach = reach
        with suppress(Died):
            self.deliver(jobs, engine)
        engine._reach = engine._families._reach = unarmed
        self.idle.append(engine)

    def stages(self, *statuses: str) -> list[Place]:
        """Return the stages that stand so."""
        return [
            (task_id, name)
            for task_id, stages in self.seen.stages.items()
            for name, row in stages.items()
            if row["status"] in statuses
        ]

    def open(self) -> list[UUID]:
        return [task_id for task_id, task in self.seen.tasks.items() if task["status"] not in ENDS]

    def begun(self) -> list[UUID]:
        """Return the open tasks but items that have not begun: one that is cancelled has another begin in its stead."""
        return [
            task_id
            for task_id in self.open()
            if task_id in self.seeds or self.seen.tasks[task_id]["status"] != "pending"
        ]

    def questions(self) -> list[Place]:
        """Return the stages that ask somebody."""
        awaiting = self.stages("awaiting")
        return [place for place in awaiting if self.seen.document(*place).get("kind") == "approval"]

    def expire(self, seed: int, size: int) -> None:
        """Have leases run out, those too that were taken in this step."""
        statement = """
            SELECT task_id, name, attempt FROM task_stages
            WHERE task_id = ANY(%(ids)s) AND status = 'running' AND lease_id IS NOT NULL"""
        rows = self.database.run(statement, {"ids": list(self.seen.tasks)})
        rows.sort(key=lambda row: (self.seen.tasks[row["task_id"]]["place"], row["name"]))
        chosen = [(row["task_id"], row["name"], row["attempt"]) for row in some(rows, size, seed)]
        for task_id, stage, _ in chosen:
            self.database.run(
                "UPDATE task_stages SET lease_expires_at = now() - interval '1 s' "
                "WHERE task_id = %(task_id)s AND name = %(stage)s",
                {"task_id": task_id, "stage": stage},
            )
        self.heard.lost.update(chosen)

    def pass_time(self, seconds: float) -> None:
        """Have time gone by for what waits; the schedule is told, which sleeps by a clock of its own."""
        self.rig.open_work.submitted()
        places = self.stages("awaiting")
        for task_id in dict.fromkeys(task_id for task_id, _ in places):
            self.rig.let_pass(task_id, seconds)
        for place in places:
            self.heard.waited_s[place] = self.heard.waited_s.get(place, 0.0) + seconds

    def answer(self, place: Place, approved: bool) -> None:
        self.approvals.answer(*place, approved=approved, answer={}, comment=None, by="test")
        self.heard.people[place] = approved

    def cancel(self, task_id: UUID) -> None:
        with suppress(Conflict):  # it has ended in this step
            self.tasks.cancel(task_id, by="test", reason=None)

    def pause(self, task_id: UUID) -> None:
        with suppress(Conflict):
            self.steering.pause_task(task_id, by="test", reason=None)
            reached = {task_id}
            for one in self.seen.below(task_id):
                if self.seen.tasks[one]["parent_task_id"] in reached and one in self.open():
                    reached.add(one)
            self.paused |= reached

    def resume(self, task_id: UUID) -> None:
        self.steering.resume_task(task_id, by="test")
        goes_on = {task_id}
        for one in self.seen.below(task_id):
            if self.seen.tasks[one]["parent_task_id"] in goes_on and one in self.paused:
                goes_on.add(one)
        self.paused -= goes_on

    def pause_template(self, name: str) -> None:
        """Pause a template; the workers have heard of it."""
        self.steering.pause(DEFAULT_PROJECT_ID, "template", name, by="test", reason=None)
        self.paused_templates.add(name)
        for engine in self.engines:
            engine._pauses.forget()

    def resume_template(self, name: str) -> None:
        """Let a template go on; the workers may not have heard of it."""
        self.steering.resume(DEFAULT_PROJECT_ID, "template", name, by="test")
        self.paused_templates.remove(name)

    def sweep(self, point: str = "") -> None:
        """Let the schedule come by; its worker dies at a point, if one is named."""

        def reach(name: str) -> None:
            if name == point:
                raise Died(name)

        with suppress(Died):
            self.sweeps(reach=reach)

    def runs_again(self, task_id: UUID, chosen: Sequence[str]) -> bool:
        """Ask for a task to run again from these stages; say whether it does."""
        try:
            self.reruns.rerun(task_id, chosen, asked())
        except Conflict:
            return False
        self.runs[task_id] = self.runs.get(task_id, 1) + 1
        self.paused.discard(task_id)
        return True

    def rerun(self, task_id: UUID, seed: int, size: int) -> None:
        """Have a task that has ended run again from some stages: these begin anew with all after them, nothing else."""
        before, undoing = self.seen.stages[task_id], self.seen.undone_by(task_id)
        chosen = some([name for name in before if name not in undoing], size, seed)
        if undoing.keys() & before.keys():
            assert not self.runs_again(task_id, chosen), "what was undone runs again"
            return
        bad = {name for name, row in before.items() if row["status"] not in WELL}
        anew = (
            all_after(self.templates[self.seen.tasks[task_id]["template_name"]], bad | set(chosen))
            & before.keys()
        )
        assert self.runs_again(task_id, chosen), "what has ended does not run again"
        self.heard.forget(task_id, anew)
        self.look(reopened=task_id)
        changed = {name for name, row in self.seen.stages[task_id].items() if row != before[name]}
        assert changed == anew, f"from {chosen} and {bad} {changed} begin anew"

    def look(self, *, reopened: UUID | None = None) -> None:
        """Hold all that can be seen now to what was so before the step, and to what may be at all."""
        self.holds = False
        self._steps += 1
        before, self.seen = self.seen, Seen(self.database, list(self.seeds), self.templates)
        self._at_work = set[UUID]()
        arrived = [job for message in self.rig.sqs.take_all() for job in unpack(message.body)]
        places = {task_id: task["place"] for task_id, task in self.seen.tasks.items()}
        # Of equal seeds the same is to come, whatever the tasks' ids are.
        self.waiting += sorted(
            (job for job in arrived if job.task_id in places), key=lambda job: (places[job[0]], *job[1:])
        )
        for line in self._lines():
            self._hold_line(before, line, reopened)
        for task_id, task in self.seen.tasks.items():
            if task_id not in before.tasks and task["parent_task_id"] in self.paused:
                self.paused.add(task_id)
            if task["status"] not in ENDS and (task["paused"] is not None) is not (task_id in self.paused):
                self.wrong.append(f"task {task['place']} is paused: {task['paused']}")
        self.wrong += self.seen.faults(self.heard)
        assert not self.wrong, "\n".join(self.wrong)
        self._still = {task_id for task_id in self.seen.tasks if self._stands_still(task_id)}
        self.holds = True

    def _lines(self) -> list[Row]:
        """Return the log's new lines."""
        statement = """
            SELECT id, task_id, stage, event FROM task_stage_logs
            WHERE task_id = ANY(%(ids)s) AND id > %(after)s ORDER BY id"""
        found = self.database.run(statement, {"ids": list(self.seen.tasks), "after": self._last_line})
        self._last_line = max((line["id"] for line in found), default=self._last_line)
        return list(found)

    def _hold_line(self, before: Seen, line: Row, reopened: UUID | None) -> None:
        """Nothing is done of what had ended before the step, or stood still before it and does so after it."""
        if line["event"] in {"stage.completed", "stage.failed", "stage.skipped"}:
            self.heard.done[line["task_id"], line["stage"]] = self._steps
        task = before.tasks.get(line["task_id"])
        if task is None or line["event"] == "stage.late":
            return
        told = f"{line['event']} of {line['stage']}"
        if task["status"] in ENDS and task["id"] != reopened:
            self.wrong.append(f"{told} of the ended task {task['place']}")
        if line["event"] in WORK and task["id"] in self._still and self._stands_still(task["id"]):
            self.wrong.append(f"{told} of the paused task {task['place']}")

    def _stands_still(self, task_id: UUID) -> bool:
        return task_id in self.paused or self.seen.tasks[task_id]["template_name"] in self.paused_templates

    def end(self) -> None:
        """Let all go on, answer and wait for all there is: workers and the sweep end it."""
        for _ in range(200):
            self.look()
            if not self.open() and not self._untold():
                return
            for task_id in self.open():
                if task_id in self.paused:
                    self.resume(task_id)
            for name in sorted(self.paused_templates):
                self.resume_template(name)
            self.look()
            for place in self.questions():
                self.answer(place, approved=True)
            self.expire(0, 10_000)
            self.pass_time(1000.0)
            self.sweep()
            self.look()
            self.deliver(self.take(0, len(self.waiting)))
        raise AssertionError(f"it does not end: {[self.seen.tasks[one]['place'] for one in self.open()]}")

    def _untold(self) -> bool:
        """Say whether stages wait to be told of tasks' ends."""
        return any(row["parent_task_id"] and not row["counted"] for row in self.seen.tasks.values())

    def hold_ends(self) -> None:
        """Hold what has ended to what it cost, and to how often it may have begun and ended."""
        statement = """
            SELECT task_id, event, stage, attempt, count(*) AS times FROM task_events
            WHERE task_id = ANY(%(ids)s) GROUP BY task_id, event, stage, attempt"""
        rows = self.database.run(statement, {"ids": list(self.seen.tasks)})
        for task_id, task in self.seen.tasks.items():
            ours = [row for row in rows if row["task_id"] == task_id]
            ends = sum(row["times"] for row in ours if row["event"].removeprefix("task.") in ENDS)
            assert ends == self.runs.get(task_id, 1), f"task {task['place']} ended {ends} times"
            if task_id in self.seeds:
                paid = [key for key in self.heard.agents if self._is_paid(key, rows)]
                due = COST * sum(self._top(key[0]) == task_id for key in paid)
                # What tasks cost that are told of after their parent has ended does not reach those above that yet.
                deep = any(self.seen.tasks[one]["place"].count("/") > 1 for one in self.seen.below(task_id))
                right = task["cost_usd"] <= due if deep else task["cost_usd"] == due
                assert right, f"task {task['place']} cost {task['cost_usd']}, not {due}"

    def _is_paid(self, key: tuple[UUID, str, int], rows: Collection[Row]) -> bool:
        done = isinstance(self.heard.agents[key], StageResult)
        told = {
            (row["task_id"], row["stage"], row["attempt"])
            for row in rows
            if row["event"] == "stage.completed"
        }
        return done and key in told

    def close(self) -> None:
        """Leave nothing open for the next tasks."""
        for name in sorted(self.paused_templates):
            self.resume_template(name)
        task_store.stop(self.database, list(self.seeds), status="cancelled", errors=[None] * len(self.seeds))
