"""Accepting tasks: everything that can be wrong is found before anything is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from steersman.agents import store as agent_store
from steersman.aws.queues import Delivery, Job, StageQueues
from steersman.db.connection import Database
from steersman.errors import (
    Conflict,
    Fault,
    InvalidInput,
    SteersmanError,
    TooLarge,
    Unavailable,
)
from steersman.failpoints import Reach, unarmed
from steersman.http import idempotency
from steersman.http.request import KeptAnswer, Request
from steersman.ids import new_id
from steersman.json import dumps, loads
from steersman.projects.service import Projects
from steersman.tasks import foreseen, submission_store, template_store, unsent_store
from steersman.tasks.flood import Flood
from steersman.tasks.open_work import OpenWork
from steersman.tasks.payloads import Payloads
from steersman.tasks.planner import Plan
from steersman.tasks.plans import Plans
from steersman.tasks.references import MAX_PAYLOAD_BYTES, goes_apart
from steersman.tasks.resending import Warn, resend
from steersman.tasks.submission_store import NewTask
from steersman.tasks.views import TaskSubmission
from steersman.tasks.words import Lane, StageStatus, TaskStatus, lane_for

MAX_FAULTS = 100


class Submissions:
    """Accepts tasks and sends their first stages on their way."""

    def __init__(
        self,
        *,
        database: Database,
        queues: StageQueues,
        plans: Plans,
        projects: Projects,
        open_work: OpenWork,
        flood: Flood,
        lanes: tuple[Lane, ...],
        warn: Warn,
        payloads: Payloads | None = None,
        begin: Callable[[Sequence[UUID]], object] = lambda _: None,
        reach: Reach = unarmed,
    ) -> None:
        self._begin_executions = begin
        self._reach = reach
        self._database = database
        self._queues = queues
        self._plans = plans
        self._projects = projects
        self._open_work = open_work
        self._flood = flood
        self._lanes = lanes
        self._warn = warn
        self._payloads = payloads or Payloads()

    def accept(
        self,
        submissions: Sequence[TaskSubmission],
        request: Request,
        *,
        single: bool,
        also: Callable[[NewTask], None] | None = None,
    ) -> dict[str, Any]:
        """Accept all or none and return {"tasks": […]} in their order; `single` shortens the fields of faults.

        `also` is done with a single task as it is stored, in one transaction: not when its answer was kept already.

        Raises InvalidInput or TooLarge with every fault found, KeyReused, or Unavailable: then nothing was accepted, or
        nobody could be told of it; the same request with the same Idempotency-Key is safe in both cases.
        """
        self._check_projects(submissions, single)
        keep = self._asked(submissions, request)
        if keep and (known := idempotency.replay(self._database, keep)) is not None:
            self._begin_again([UUID(task["id"]) for task in known["tasks"]])
            return known
        tasks, large, now = self._checked(submissions, request, single)
        tasks = self._kept(tasks, large)
        response = {
            "tasks": [_accepted(task, sub.project, now) for task, sub in zip(tasks, submissions, strict=True)]
        }
        if keep:
            keep = KeptAnswer(**{**vars(keep), "response": loads(dumps(response))})
        counted = self._count()
        self._reach("submit.begun")
        try:
            if also is not None:
                submission_store.submit_with(self._database, tasks[0], also, at=now, keep=keep)
            else:
                submission_store.submit(self._database, tasks, at=now, keep=keep)
        except Conflict as exc:
            if keep is None:
                raise
            return idempotency.replay_after(exc, self._database, keep)
        self._reach("submit.committed")
        self._begin(tasks, counted)
        self._reach("submit.sent")
        return response

    def decline(self, submission: TaskSubmission, request: Request) -> dict[str, Any]:
        """Let no task be made under the request's key: keep an answer without tasks, and return what is kept there.

        That has a task when one was accepted under the key before. Raises KeyReused as `accept` does.
        """
        keep = self._asked([submission], request)
        if keep is None:
            raise ValueError("only what has a key can be declined")
        for _ in range(2):
            if (known := idempotency.replay(self._database, keep)) is not None:
                return known
            idempotency.keep(self._database, keep, {"tasks": []})
        return {"tasks": []}

    def check(self, submission: TaskSubmission, request: Request) -> None:
        """Raise what `accept` would raise for a task that is wrong, and accept nothing."""
        self._check_projects([submission], single=True)
        self._checked([submission], request, single=True)

    def _check_projects(self, submissions: Sequence[TaskSubmission], single: bool) -> None:
        faults: list[Fault] = []
        for number, sub in enumerate(submissions):
            try:
                self._projects.id(sub.project)
            except InvalidInput as exc:
                at = "" if single else f"tasks.{number}."
                faults.extend(Fault(f"{at}{fault.field}", fault.reason) for fault in exc.faults)
            if len(faults) == MAX_FAULTS:
                break
        if faults:
            raise InvalidInput("the project is not known", faults=tuple(faults))

    def _asked(self, submissions: Sequence[TaskSubmission], request: Request) -> KeptAnswer | None:
        if request.idempotency_key is None:
            return None
        return KeptAnswer(
            project_id=self._projects.id(submissions[0].project),
            route=request.route,
            key=request.idempotency_key,
            request_hash=idempotency.fingerprint([sub.model_dump(mode="json") for sub in submissions]),
            response={},
        )

    def _checked(
        self, submissions: Sequence[TaskSubmission], request: Request, single: bool
    ) -> tuple[list[NewTask], dict[int, bytes], datetime]:
        """Return the tasks, the JSON text of large inputs by their tasks' places, and the time; or raise all faults."""
        plans, now = self._find_plans(submissions)
        capabilities = self._find_capabilities(submissions)
        tasks, large, faults, too_large = list[NewTask](), dict[int, bytes](), list[Fault](), False
        for number, sub in enumerate(submissions):
            at = "" if single else f"tasks.{number}."
            plan = plans.get((sub.project, sub.template, sub.template_version))
            if plan is None:
                faults.append(_unknown_template(sub, at))
                continue
            found, text = _input_faults(plan, sub, at, now), dumps(sub.input)
            if not found and len(text) > MAX_PAYLOAD_BYTES:
                found, too_large = [_too_large(f"{at}input", len(text))], True
            for index, capability in enumerate(sub.requirements):
                if capability not in capabilities[sub.project]:
                    reason = f"no agent has the capability '{capability}'"
                    found.append(Fault(f"{at}requirements.{index}", reason))
            faults.extend(found)
            if not found:
                if goes_apart(sub.input, text):
                    large[len(tasks)] = text
                tasks.append(_new_task(plan, sub, self._projects.id(sub.project), request, now))
        if faults:
            kind = TooLarge if too_large else InvalidInput
            raise kind(
                "the task cannot be accepted" if single else "no task was accepted",
                faults=tuple(faults[:MAX_FAULTS]),
            )
        return tasks, large, now

    def _kept(self, tasks: list[NewTask], large: Mapping[int, bytes]) -> list[NewTask]:
        """Put large inputs into the bucket and their references into the tasks; raise Unavailable."""
        answers = self._payloads.keep([(tasks[place].id, text) for place, text in large.items()])
        for place, kept in zip(large, answers, strict=True):
            if isinstance(kept, SteersmanError):
                raise kept
            tasks[place] = replace(tasks[place], input=kept.document())
        return tasks

    def _find_plans(
        self, submissions: Sequence[TaskSubmission]
    ) -> tuple[Mapping[tuple[str, str, int | None], Plan], datetime]:
        """Return the plan of each (project, template, version) asked for, and the time by the database's clock.

        One round trip for each project. Deadlines and leases are judged by that clock, so they begin by it too.
        """
        now = datetime.now(UTC)
        asked: dict[str, set[tuple[str, int | None]]] = {}
        for sub in submissions:
            asked.setdefault(sub.project, set()).add((sub.template, sub.template_version))
        found: dict[tuple[str, str, int | None], Plan] = {}
        for project, wanted in asked.items():
            for row in template_store.resolve(
                self._database, self._projects.id(project), sorted(wanted, key=str)
            ):
                found[project, row["name"], row["asked_version"]] = self._plans.keep(row)
                now = row["now"]
        return found, now

    def _find_capabilities(self, submissions: Sequence[TaskSubmission]) -> Mapping[str, frozenset[str]]:
        projects = {sub.project for sub in submissions if sub.requirements}
        return {p: agent_store.known_capabilities(self._database, self._projects.id(p)) for p in projects}

    def _begin(self, tasks: Sequence[NewTask], counted: bool) -> None:
        """Send the first jobs and count the submission: either is enough, for the sweep looks where it is counted.

        Nobody watches these tasks yet, so nobody is told of them.
        """
        try:
            self._queues.send(self._first_jobs(tasks, counted))
            if orchestrated := [task.id for task in tasks if task.plan.state_machine]:
                self._begin_executions(orchestrated)
        except Unavailable as exc:
            if not self._count() and not counted:
                raise Unavailable(
                    "nobody can be told to begin; send the same again", retry_after_s=5
                ) from exc
            self._warn(
                "queues did not take the first jobs; the sweep will send them", {"reason": exc.message}
            )
        else:
            self._count()

    def _first_jobs(self, tasks: Sequence[NewTask], cached: bool) -> list[Delivery]:
        """Return what sends the first jobs of tasks; a cache that is away is not asked who floods."""
        wanted = [(task.project_id, lane_for(task.priority, self._lanes)) for task in tasks]
        lanes = [lane for _, lane in wanted]
        if cached and Lane.BULK in self._lanes:
            lanes = self._flood.lanes(wanted)
        groups = {task.project_id.int: str(task.project_id) for task in tasks}
        return [
            Delivery(stage.queue, lane, Job(task.id, stage.name, 1), 0, groups[task.project_id.int])
            for task, lane in zip(tasks, lanes, strict=True)
            for stage in (() if task.plan.state_machine else task.plan.new_stages)
            if stage.status is StageStatus.READY
        ]

    def _begin_again(self, task_ids: Sequence[UUID]) -> None:
        """Make sure that tasks accepted before are begun: who was answered 503 for want of that asks again."""
        if not self._count():
            self._begin_executions(task_ids)
            resend(self._queues, unsent_store.ready_stages(self._database, task_ids), self._lanes)

    def _count(self) -> bool:
        try:
            self._open_work.submitted()
        except Unavailable as exc:
            self._warn("the flag of open work was not set", {"reason": exc.message})
            return False
        return True


def _unknown_template(sub: TaskSubmission, at: str) -> Fault:
    if sub.template_version is None:
        return Fault(f"{at}template", f"there is no template '{sub.template}'; GET /v1/templates lists them")
    return Fault(f"{at}template_version", f"there is no version {sub.template_version} of '{sub.template}'")


def _input_faults(plan: Plan, sub: TaskSubmission, at: str, now: datetime) -> list[Fault]:
    schema = plan.input_schema
    faults = list(schema.faults(sub.input, f"{at}input")) if schema else []
    if faults or not (plan.template.waits or plan.template.spreads):
        return faults
    return foreseen.faults(plan.template, sub.input, now, f"{at}input")


def _too_large(field: str, size: int) -> Fault:
    return Fault(
        field, f"has {size} bytes; the limit is {MAX_PAYLOAD_BYTES} (store it and give its address instead)"
    )


def _new_task(plan: Plan, sub: TaskSubmission, project_id: UUID, request: Request, now: datetime) -> NewTask:
    value = sub.business_value
    deadline_s = sub.constraints.deadline_s or plan.template.deadline_s
    return NewTask(
        id=new_id(),
        project_id=project_id,
        plan=plan,
        priority=sub.priority,
        input=sub.input,
        requirements=list(sub.requirements),
        constraints=sub.constraints.model_dump(mode="json", exclude_none=True),
        labels=dict(sub.labels),
        business_value_usd=value.usd if value else None,
        business_value_kind=value.kind if value else None,
        requested_by=request.requested_by,
        requested_through=request.requested_through,
        correlation_id=request.correlation_id,
        deadline_at=now + timedelta(seconds=deadline_s),
    )


def _accepted(task: NewTask, project: str, now: datetime) -> dict[str, Any]:
    return {
        "id": str(task.id),
        "status": TaskStatus.PENDING,
        "project": project,
        "template": task.plan.template.name,
        "template_version": task.plan.version,
        "correlation_id": task.correlation_id,
        "created_at": now,
        "deadline_at": task.deadline_at,
    }
