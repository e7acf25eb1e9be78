"""Approvals: what waits for an answer, and giving one."""

from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.aws.queues import StageQueues
from steersman.db.connection import Database
from steersman.errors import Conflict, Fault, Forbidden, InvalidInput, NotFound, Unavailable
from steersman.http import cursors
from steersman.tasks import unsent_store, waiting_store
from steersman.tasks.live import LiveTasks
from steersman.tasks.log_store import Fact
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.resending import Warn, resend
from steersman.tasks.schema import Schema
from steersman.tasks.stage_kinds import Approval
from steersman.tasks.ways import may_answer
from steersman.tasks.words import Lane, StageStatus


class Approvals:
    """Questions that stages ask of people and systems."""

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
    ) -> None:
        self._database = database
        self._queues = queues
        self._live = live
        self._plans = plans
        self._open_work = open_work
        self._lanes = lanes
        self._warn = warn

    def page(
        self, project_id: UUID, *, cursor: str | None, limit: int, only_task: UUID | None = None
    ) -> dict[str, Any]:
        """Return {"approvals", "next_cursor"}: what waits for an answer, oldest tasks first, or of `only_task`."""
        after = _place(cursors.decode("approvals", cursor))
        rows = waiting_store.approvals(
            self._database, project_id, after=after, limit=limit + 1, only_task=only_task
        )
        more, rows = len(rows) > limit, rows[:limit]
        plans = self._plans.of(row["template_id"] for row in rows)
        found = [
            _shown(row, _approval(plans[row["template_id"]].stage(row["stage"]).approval)) for row in rows
        ]
        end = f"{rows[-1]['task_id']} {rows[-1]['stage']}" if more else None
        return {"approvals": found, "next_cursor": cursors.encode("approvals", end) if end else None}

    def answer(
        self,
        task_id: UUID,
        stage: str,
        *,
        approved: bool,
        answer: Mapping[str, Any],
        comment: str | None,
        by: str,
        again: bool = False,
    ) -> None:
        """Answer a stage that waits, so that its task goes on.

        `again` says that the request may have come before: then the same answer by the same caller is taken twice.
        Raises NotFound, Conflict (it does not wait for one), Forbidden, or InvalidInput (not the answer's schema).
        """
        given = {"approved": approved, "answer": dict(answer), "comment": comment, "by": by}
        row, approval = self._found(task_id, stage)
        if again and row["answer"] == given:
            self._send(task_id)
            return
        _check_waits(row, stage)
        _check_allowed(approval, row["waited_s"], stage, by)
        schema = Schema(approval.answer_schema) if approval.answer_schema is not None and approved else None
        if schema and (faults := schema.faults(dict(answer), "answer")):
            raise InvalidInput("the answer does not match what is asked", faults=tuple(faults))
        self._count()
        facts = self._answered(row["project_id"], task_id, stage, given)
        self._count()
        with suppress(Unavailable):  # readers rebuild what Redis lacks
            self._live.publish(facts)
        self._send(task_id)

    def _answered(self, project_id: UUID, task_id: UUID, stage: str, given: Mapping[str, Any]) -> list[Fact]:
        """Store an answer with its audit entry; return the facts."""
        detail = {name: given[name] for name in ("approved", "by", "comment")}
        with self._database.transaction():
            facts = waiting_store.answer(self._database, task_id, stage, given, detail)
            if not facts:
                raise Conflict(f"stage '{stage}' was answered meanwhile; read the task to see how")
            entry = Entry(
                project_id=project_id,
                by=given["by"],
                action=Action.APPROVAL_ANSWERED,
                target=audit.task(task_id),
                detail={"stage": stage, "approved": given["approved"], "comment": given["comment"]},
            )
            audit_store.add(self._database, entry)
        return facts

    def _send(self, task_id: UUID) -> None:
        try:
            resend(self._queues, unsent_store.ready_stages(self._database, [task_id]), self._lanes)
        except Unavailable as exc:
            self._warn(
                "the queue did not take an answered stage; the sweep will send it", {"reason": exc.message}
            )

    def _count(self) -> None:
        """Wake a sweep that sleeps while tasks only wait: it finds what a queue did not take."""
        with suppress(Unavailable):  # an emptied Redis means that it looks
            self._open_work.submitted()

    def _found(self, task_id: UUID, stage: str) -> tuple[dict[str, Any], Approval]:
        row = waiting_store.waiting(self._database, task_id, stage)
        if row is None:
            raise NotFound(f"there is no stage '{stage}' in a task {task_id}")
        plan = self._plans.of([row["template_id"]])[row["template_id"]]
        approval = plan.stage(stage).approval
        if approval is None:
            raise Conflict(f"stage '{stage}' asks nobody: its kind is '{plan.stage(stage).kind}'")
        return row, approval


def _check_waits(row: Mapping[str, Any], stage: str) -> None:
    answered = row["answer"] is not None
    if row["status"] != StageStatus.AWAITING or answered:
        state = "has its answer already" if answered else f"is {row['status']}"
        raise Conflict(f"stage '{stage}' does not wait for an answer: it {state}")
    if row["waited_s"] is None:
        raise Conflict(f"stage '{stage}' has not asked yet: a budget is spent; raise it, then answer")


def _check_allowed(approval: Approval, waited_s: float, stage: str, by: str) -> None:
    allowed = may_answer(approval, waited_s)
    if allowed and not any(fnmatchcase(by, pattern) for pattern in allowed):
        raise Forbidden(f"'{by}' may not answer stage '{stage}'; these may: {', '.join(allowed)}")


def _approval(approval: Approval | None) -> Approval:
    if approval is None:  # its capability is that of approvals, which no other kind has
        raise AssertionError("a stage that waits for an answer asks nothing")
    return approval


def _shown(row: Mapping[str, Any], approval: Approval) -> dict[str, Any]:
    names = ("task_id", "stage", "template", "template_version", "labels", "awaited_at", "until")
    return {
        **{name: row[name] for name in names},
        "ask": approval.ask,
        "by": list(may_answer(approval, row["waited_s"])),
        "answer_schema": approval.answer_schema,
    }


def _place(cursor: str | None) -> tuple[UUID, str] | None:
    if cursor is None:
        return None
    task_id, _, stage = cursor.partition(" ")
    try:
        return UUID(task_id), stage
    except ValueError:
        fault = Fault("cursor", "not a cursor of this list; leave it out to start from the first page")
        raise InvalidInput("the cursor is not valid", faults=(fault,)) from None
