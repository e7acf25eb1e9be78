"""Tasks that run again: the one way in which a redrive, or a re-run from a chosen stage, has an ended task go on."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from steersman.aws.queues import StageQueues
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.tasks import resumption_store
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.planner import Plan
from steersman.tasks.plans import Plans
from steersman.tasks.resending import Warn, resend
from steersman.tasks.resumption_store import Anew, Resumed
from steersman.tasks.words import Lane, Resumption, StageStatus

BATCH = 200  # tasks of one statement

Row = Mapping[str, Any]


class Resumptions:
    """Has ended tasks run again, and sends what is then ready."""

    def __init__(
        self,
        *,
        database: Database,
        queues: StageQueues,
        live: LiveTasks,
        plans: Plans,
        open_work: OpenWork,
        lanes: tuple[Lane, ...],
        warn: Warn,
        begin: Callable[[Sequence[UUID]], Sequence[UUID]] = lambda _: (),
    ) -> None:
        self._begin = begin
        self._database = database
        self._queues = queues
        self._live = live
        self._plans = plans
        self._open_work = open_work
        self._lanes = lanes
        self._warn = warn

    def plan_of(self, row: Row) -> Plan:
        """Return the plan of a task (a row of `resumption_store.ended`)."""
        template_id: UUID = row["template_id"]
        return self._plans.of([template_id])[template_id]

    def refusal(self, row: Row) -> str | None:
        """Say why an ended task (a row of `resumption_store.ended`) cannot run again, or None."""
        if row["parent_task_id"] is not None:
            return (
                f"the task belongs to stage '{row['parent_stage']}' of task {row['parent_task_id']}: "
                "run that one again from this stage"
            )
        if not self.plan_of(row).template.undoes.keys().isdisjoint(row["statuses"]):
            return "what the task did is undone: clone it"
        return None

    def anew(
        self,
        row: Row,
        why: Resumption,
        *,
        by: str,
        from_stages: Collection[str] = (),
        delay_s: float = 0.0,
        inputs: Mapping[str, Any] | None = None,
    ) -> Anew:
        """Return what begins anew of an ended task (a row of `resumption_store.ended`): see `Plan.reset`."""
        plan = self.plan_of(row)
        statuses = {name: StageStatus(status) for name, status in row["statuses"].items()}
        stages = plan.reset(from_stages, statuses)
        names = {stage.name for stage in stages}
        return Anew(
            task_id=row["id"],
            ended_at=row["finished_at"],
            stages=stages,
            open_sinks=sum(sink in names for sink in plan.template.sinks),
            deadline_s=row["deadline_s"] or plan.template.deadline_s,
            gives_output=plan.template.output_stage in names,
            detail={"by": by, "why": why, "from": _begun(stages, from_stages)},
            delay_s=delay_s,
            inputs=inputs or {},
        )

    def resume(self, tasks: Sequence[Anew], *, by: str) -> Resumed:
        """Have tasks run again, inside `carried_out`, and return what took effect."""
        facts, jobs, letters = [], [], 0
        for start in range(0, len(tasks), BATCH):
            done = resumption_store.resume(self._database, tasks[start : start + BATCH], by=by)
            facts += done.facts
            jobs += done.jobs
            letters += done.letters
        return Resumed(facts, jobs, letters)

    @contextmanager
    def carried_out(self) -> Iterator[Callable[[Resumed], None]]:
        """Give a function that takes what `resume` returned: its block is one transaction, its jobs are sent after it.

        Raises Unavailable when the change was made and nobody could be told of it: the sweep finds it once anything
        else is submitted.
        """
        done: list[Resumed] = []
        counted = self._count()
        with self._database.transaction():
            yield done.append
        facts = [fact for one in done for fact in one.facts]
        if not facts:
            return
        try:
            self._live.reopen(facts)
        except Unavailable as exc:
            self._warn("the live views of resumed tasks were not renewed", {"reason": exc.message})
        self._send([job for one in done for job in one.jobs], counted)

    def _send(self, jobs: Sequence[Row], counted: bool) -> None:
        try:
            orchestrated = set(self._begin(sorted({job["task_id"] for job in jobs})))
            resend(self._queues, [job for job in jobs if job["task_id"] not in orchestrated], self._lanes)
        except Unavailable as exc:
            if not self._count() and not counted:
                raise Unavailable("nobody can be told to begin; try again", retry_after_s=5) from exc
            self._warn("queues did not take all jobs; the sweep will send them", {"reason": exc.message})
        else:
            self._count()

    def _count(self) -> bool:
        try:
            self._open_work.submitted()
        except Unavailable as exc:
            self._warn("the flag of open work was not set", {"reason": exc.message})
            return False
        return True


def _begun(stages: Sequence[Any], chosen: Collection[str]) -> list[str]:
    """Return where a task begins again: the stages that were chosen, else those that are ready."""
    return [
        stage.name for stage in stages if stage.name in chosen or (not chosen and not stage.pending_needs)
    ]
