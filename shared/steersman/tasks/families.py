"""Tasks that tasks start: a nested one, or one for each item of a fan-out; and what their ends lead to."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from steersman.aws.queues import StageQueues
from steersman.db.connection import Database
from steersman.errors import AgentError, SteersmanError, Unavailable
from steersman.failpoints import Reach, unarmed
from steersman.ids import new_id
from steersman.json import dumps_text
from steersman.tasks import family_store, task_store, template_store, unsent_store
from steersman.tasks.attempts import Attempt
from steersman.tasks.log_store import Fact
from steersman.tasks.payloads import Payloads
from steersman.tasks.planner import Plan
from steersman.tasks.plans import Plans
from steersman.tasks.references import goes_apart, reference_in
from steersman.tasks.resending import resend
from steersman.tasks.ways import MAX_TOLD, Child, Children
from steersman.tasks.words import Lane, Orchestrator, TaskStatus

MAX_DEPTH = 5  # tasks above a task: a chain of templates that start each other ends here
ENDS = frozenset({"task.completed", "task.failed", "task.cancelled"})
PARENT_ENDED = {"code": "parent_ended", "message": "the stage that started this task has ended"}


class NestedFailed(AgentError):
    """The task that a stage was to start cannot be started."""

    code = "nested_task_invalid"
    retryable = False


class Families:
    """Starts tasks for stages, and brings their ends back."""

    def __init__(
        self,
        *,
        database: Database,
        queues: StageQueues,
        plans: Plans,
        lanes: tuple[Lane, ...],
        publish: Callable[[Sequence[Fact]], None],
        begin: Callable[[Sequence[UUID]], object] = lambda _: None,
        payloads: Payloads | None = None,
        reach: Reach = unarmed,
    ) -> None:
        self._database = database
        self._queues = queues
        self._plans = plans
        self._payloads = payloads or Payloads()
        self._lanes = lanes
        self._publish = publish
        self._begin = begin
        self._reach = reach

    def spread(self, attempt: Attempt, children: Children) -> list[Fact]:
        """Start the tasks of an attempt's stage and send the first; return the facts, none when the lease is lost.

        Raises NestedFailed when they cannot be started.
        """
        only_stage, plan = None, self._nested_plan(attempt, children)
        if plan is None:
            only_stage, plan = attempt.job.stage, attempt.plan.of_item(attempt.job.stage)
        new_ids = [new_id() for _ in children.inputs]
        inputs = self._kept(new_ids, children.inputs)
        orchestrated = plan.orchestrator is Orchestrator.STEP_FUNCTIONS
        # A state machine has each item begin when it is its turn.
        window = len(new_ids) if orchestrated else children.window
        facts = family_store.spread(
            self._database,
            attempt,
            plan,
            inputs,
            new_ids,
            window=window,
            tolerated=children.tolerated,
            only_stage=only_stage,
        )
        self._reach("families.spread")
        with suppress(Unavailable):  # the sweep sends what nobody took
            if facts and not orchestrated:
                resend(self._queues, unsent_store.ready_stages(self._database, new_ids[:window]), self._lanes)
            elif facts and only_stage is None:
                self._begin(new_ids)
        return facts

    def results(self, task_id: UUID, stage: str, outputs: bool = True) -> list[Child]:
        """Return how the tasks stand that a stage started last, with their real outputs; raise PayloadGone.

        Without `outputs` only the first that failed, at most MAX_TOLD.
        """
        if not outputs:
            return family_store.failures(self._database, task_id, stage, limit=MAX_TOLD)
        found = family_store.results(self._database, task_id, stage)
        apart = {child.item: ref for child in found if (ref := reference_in(child.output)) is not None}
        if not apart:
            return found
        loaded = self._payloads.load(apart.values())
        whole = {item: loaded[ref] for item, ref in apart.items()}
        for value in whole.values():
            if isinstance(value, SteersmanError):
                raise value
        return [child._replace(output=whole.get(child.item, child.output)) for child in found]

    def _kept(self, new_ids: Sequence[UUID], inputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return inputs of tasks as their rows hold them: large ones lie in the bucket. Raise NestedFailed."""
        texts = [dumps_text(given) for given in inputs]
        places = [place for place, given in enumerate(inputs) if goes_apart(given, texts[place])]
        stored = list(inputs)
        answers = self._payloads.keep([(new_ids[place], texts[place].encode()) for place in places])
        for place, answer in zip(places, answers, strict=True):
            if isinstance(answer, SteersmanError):
                error = NestedFailed(f"a large input of a task cannot be kept: {answer.message}")
                error.retryable = answer.retryable
                raise error
            stored[place] = answer.document()
        return stored

    def ended(self, facts: Sequence[Fact]) -> None:
        """Bring the ends of tasks among these facts to the stages that started them, and send what follows."""
        self.wake([fact.task_id for fact in facts if fact.event in ENDS and '"parent"' in fact.text])

    def wake(self, task_ids: Sequence[UUID]) -> None:
        """Do the same for tasks that have ended; harmless to repeat, and for tasks that nothing started."""
        if task_ids:
            resend(self._queues, family_store.wake(self._database, task_ids), self._lanes)

    def stop(self, parents: Sequence[tuple[UUID, str | None]]) -> list[Fact]:
        """Cancel the open tasks that stages (task, name; None: any of the task's) started: nobody waits for them.

        Returns the facts, for `told`.
        """
        task_ids = family_store.open_children(self._database, parents) if parents else []
        if not task_ids:
            return []
        return task_store.stop(
            self._database, task_ids, status=TaskStatus.CANCELLED, errors=[PARENT_ENDED] * len(task_ids)
        )

    def told(self, facts: Sequence[Fact]) -> None:
        """Tell followers of tasks that were stopped, and have what they cost paid."""
        if facts:
            self._publish(facts)
            self.ended(facts)

    def wake_untold(self, *, older_than_s: float, limit: int) -> int:
        """Bring ends to their stages that nobody lived to bring; return how many."""
        task_ids = family_store.untold(self._database, older_than_s=older_than_s, limit=limit)
        self.wake(task_ids)
        return len(task_ids)

    def _nested_plan(self, attempt: Attempt, children: Children) -> Plan | None:
        nested = children.nested
        if nested is None:
            return None
        depth = int(attempt.aside.get("depth", 0))
        if depth >= MAX_DEPTH:
            raise NestedFailed(
                f"tasks start tasks {MAX_DEPTH} deep at most; template '{nested.template}' would be deeper"
            )
        asked = [(nested.template, nested.version)]
        rows = template_store.resolve(self._database, attempt.job.project_id, asked)
        if not rows:
            version = f"version {nested.version} of " if nested.version else ""
            raise NestedFailed(f"there is no {version}template '{nested.template}' in the project")
        row = rows[0]
        plan = self._plans.keep(row)
        schema = plan.input_schema
        for index, given in enumerate(children.inputs):
            if schema and (faults := schema.faults(given, f"input of item {index}")):
                raise NestedFailed(
                    f"template '{nested.template}' does not take what it is given", faults=tuple(faults)
                )
        return plan
