"""Steering of open work: pause and resume tasks, templates and queues; change a task's limits."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.aws.queues import StageQueues
from steersman.db.connection import Database
from steersman.errors import Conflict, Fault, InvalidInput, NotFound, Unavailable
from steersman.tasks import pause_store, task_store, template_store, waiting_store
from steersman.tasks.live import LiveTasks
from steersman.tasks.log_store import Fact
from steersman.tasks.open_work import OpenWork
from steersman.tasks.resending import Warn, resend
from steersman.tasks.words import Lane, Queue

RELEASES = 20  # batches of held stages that one call sends; the sweep sends what is left
_PAUSED = {"template": Action.TEMPLATE_PAUSED, "queue": Action.QUEUE_PAUSED}
_RESUMED = {"template": Action.TEMPLATE_RESUMED, "queue": Action.QUEUE_RESUMED}
_TARGETS = {"template": audit.template, "queue": audit.queue}


class Steering:
    """Changes how open work goes on."""

    def __init__(
        self,
        *,
        database: Database,
        queues: StageQueues,
        live: LiveTasks,
        open_work: OpenWork,
        lanes: tuple[Lane, ...],
        warn: Warn,
    ) -> None:
        self._database = database
        self._queues = queues
        self._live = live
        self._open_work = open_work
        self._lanes = lanes
        self._warn = warn

    def pause_task(self, task_id: UUID, *, by: str, reason: str | None) -> None:
        """Pause an open task: what runs ends, nothing begins. Harmless to repeat; raise NotFound or Conflict."""
        task = self._check_open(task_id, "paused")
        with self._database.transaction():
            facts = pause_store.pause(self._database, task_id, by=by, reason=reason)
            if facts:
                entry = _entry(task["project_id"], by, Action.TASK_PAUSED, audit.task(task_id), reason=reason)
                audit_store.add(self._database, entry)
        self._told(facts)

    def resume_task(self, task_id: UUID, *, by: str) -> None:
        """Let a paused task go on. Harmless to repeat; raise NotFound or Conflict."""
        task = self._check_open(task_id, "resumed")
        self._count()
        with self._database.transaction():
            facts, rows = pause_store.resume(self._database, task_id, by=by)
            if facts:
                entry = _entry(task["project_id"], by, Action.TASK_RESUMED, audit.task(task_id))
                audit_store.add(self._database, entry)
        self._told(facts)
        self._send(rows)

    def pauses(self, project_id: UUID) -> list[dict[str, Any]]:
        """Return what is paused in a project: scope, name, by, reason, created_at."""
        return pause_store.page(self._database, project_id)

    def pause(
        self, project_id: UUID, scope: str, name: str, *, by: str, reason: str | None
    ) -> dict[str, Any]:
        """Pause a template or queue of a project: within seconds none of its stages begins. Raise InvalidInput."""
        self._check_name(project_id, scope, name)
        action, target = _PAUSED[scope], _TARGETS[scope](name)
        with self._database.transaction():
            paused = pause_store.add(self._database, project_id, scope, name, by=by, reason=reason)
            if paused.pop("added"):
                audit_store.add(self._database, _entry(project_id, by, action, target, reason=reason))
        return paused

    def resume(self, project_id: UUID, scope: str, name: str, *, by: str) -> None:
        """Let a paused template or queue go on; raise NotFound."""
        action, target = _RESUMED[scope], _TARGETS[scope](name)
        with self._database.transaction():
            if not pause_store.remove(self._database, project_id, scope, name):
                raise NotFound(f"{scope} '{name}' is not paused; GET /v1/pauses lists what is")
            audit_store.add(self._database, _entry(project_id, by, action, target))
        for _ in range(RELEASES):
            rows = pause_store.release(self._database, project_id, scope, name)
            self._send(rows)
            if len(rows) < pause_store.BATCH:
                return

    def amend(self, task_id: UUID, changes: Mapping[str, Any], *, by: str) -> None:
        """Change budget_usd, budget_tokens or deadline_s of an open task; what waited for that goes on.

        Raises NotFound, Conflict (it has ended), or InvalidInput (a new limit is reached already).
        """
        task = self._check_open(task_id, "changed")
        if faults := _reached(task, changes):
            raise InvalidInput("the new limits would stop the task at once", faults=tuple(faults))
        self._count()
        with self._database.transaction():
            rows = waiting_store.amend(self._database, task_id, changes, deadline_s=changes.get("deadline_s"))
            if rows is None:
                raise Conflict("the task has ended meanwhile; only an open task can be changed")
            target, action = audit.task(task_id), Action.TASK_CHANGED
            entry = _entry(task["project_id"], by, action, target, constraints=dict(changes))
            audit_store.add(self._database, entry)
        with suppress(Unavailable):
            self._live.outdate([task_id, *{row["task_id"] for row in rows}])
        self._send(rows)

    def _check_open(self, task_id: UUID, done: str) -> dict[str, Any]:
        task = task_store.standing(self._database, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        if task["status"] in {"completed", "failed", "cancelled"}:
            raise Conflict(f"the task is {task['status']} already; only an open task can be {done}")
        return task

    def _check_name(self, project_id: UUID, scope: str, name: str) -> None:
        if scope == "queue" and name not in set(Queue):
            reason = f"there is no queue '{name}'; there are {', '.join(Queue)}"
        elif scope == "template" and template_store.find(self._database, project_id, name) is None:
            reason = f"there is no template '{name}'; GET /v1/templates lists them"
        else:
            return
        raise InvalidInput("nothing was paused", faults=(Fault("name", reason),))

    def _told(self, facts: Sequence[Fact]) -> None:
        with suppress(Unavailable):  # readers rebuild what Redis lacks
            self._live.publish(facts)

    def _count(self) -> None:
        """Wake a sweep that sleeps while tasks only wait: it finds what a queue did not take."""
        with suppress(Unavailable):  # an emptied Redis means that it looks
            self._open_work.submitted()

    def _send(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._count()
        try:
            resend(self._queues, rows, self._lanes)
        except Unavailable as exc:
            self._warn(
                "the queues did not take what goes on; the sweep will send it", {"reason": exc.message}
            )


def _entry(project_id: UUID, by: str, action: Action, target: str, **detail: Any) -> Entry:
    told = {name: value for name, value in detail.items() if value is not None}
    return Entry(project_id=project_id, by=by, action=action, target=target, detail=told)


def _reached(task: Mapping[str, Any], changes: Mapping[str, Any]) -> list[Fault]:
    faults = []
    deadline_s = changes.get("deadline_s")
    if deadline_s is not None and deadline_s <= task["age_s"]:
        reason = f"is to be above the task's age: it was created {task['age_s']:.0f} s ago"
        faults.append(Fault("constraints.deadline_s", reason))
    for name, spent in (("budget_usd", task["cost_usd"]), ("budget_tokens", task["tokens"])):
        budget = changes.get(name)
        if budget is not None and spent and type(spent)(budget) <= spent:
            faults.append(Fault(f"constraints.{name}", f"is to be above what is spent already: {spent}"))
    return faults
