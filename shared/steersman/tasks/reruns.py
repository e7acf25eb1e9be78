"""What people ask of tasks that have ended: to run again from a chosen stage, or once more as another task."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.db.connection import Database
from steersman.errors import Conflict, Fault, InvalidInput, NotFound, SteersmanError
from steersman.http import idempotency
from steersman.http.request import KeptAnswer, Request
from steersman.tasks import resumption_store, submission_store, task_store
from steersman.tasks.payloads import Payloads
from steersman.tasks.planner import Plan
from steersman.tasks.references import reference_in
from steersman.tasks.resumption import Resumptions
from steersman.tasks.submission import Submissions
from steersman.tasks.views import Cloning, TaskSubmission
from steersman.tasks.words import Resumption, TaskStatus

KEPT = (
    "template",
    "template_version",
    "project",
    "priority",
    "input",
    "requirements",
    "constraints",
    "labels",
)


class Reruns:
    """Has tasks run again from a stage, and clones them."""

    def __init__(
        self,
        *,
        database: Database,
        submissions: Submissions,
        payloads: Payloads,
        resumptions: Resumptions,
    ) -> None:
        self._database = database
        self._payloads = payloads
        self._submissions = submissions
        self._resumptions = resumptions

    def rerun(self, task_id: UUID, from_stages: Sequence[str], request: Request) -> dict[str, Any]:
        """Have an ended task run again from these stages; the results of those before them are kept.

        Returns id, status and `stages`, which begin anew. Raises NotFound, Conflict for an open task, and InvalidInput
        naming a stage that the task does not have.
        """
        keep = idempotency.asked(request, {"from": list(from_stages)})
        return idempotency.kept_with(
            self._database, keep, lambda: self._rerun(task_id, from_stages, request.requested_by, keep)
        )

    def clone(self, task_id: UUID, changes: Cloning, request: Request) -> dict[str, Any]:
        """Submit a task like another one, with `changes`, and return it as accepted.

        Raises NotFound, and what `Submissions.accept` raises.
        """
        row = task_store.task(self._database, task_id)
        if row is None:
            raise NotFound(f"there is no task {task_id}")
        value = {"usd": row["business_value_usd"], "kind": row["business_value_kind"]}
        document = {
            **{name: row[name] for name in KEPT},
            "input": self._whole(row["input"]) if changes.input is None else changes.input,
            "business_value": value if row["business_value_usd"] is not None else None,
            **changes.model_dump(exclude_none=True),
        }
        submission = TaskSubmission.model_validate(document)
        accepted = self._submissions.accept(
            [submission],
            request,
            single=True,
            also=lambda task: submission_store.note_clone(self._database, task, task_id),
        )
        task: dict[str, Any] = accepted["tasks"][0]
        return task

    def _whole(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return an input itself, where its row holds a reference; raise PayloadGone or Unavailable."""
        reference = reference_in(given)
        if reference is None:
            return given
        value = self._payloads.load([reference])[reference]
        if isinstance(value, SteersmanError):
            raise value
        whole: dict[str, Any] = value
        return whole

    def _rerun(
        self, task_id: UUID, from_stages: Sequence[str], by: str, keep: KeptAnswer | None
    ) -> dict[str, Any]:
        rows = resumption_store.ended(self._database, [task_id])
        if not rows:
            raise NotFound(f"there is no task {task_id}")
        (row,) = rows
        _check_stages(self._resumptions.plan_of(row), from_stages)
        if not TaskStatus(row["status"]).final:
            raise Conflict(f"the task is {row['status']}; only a task that has ended can be run again")
        if reason := self._resumptions.refusal(row):
            raise Conflict(reason)
        task = self._resumptions.anew(row, Resumption.RERUN, by=by, from_stages=from_stages)
        with self._resumptions.carried_out() as carried:
            done = self._resumptions.resume([task], by=by)
            if not done.facts:
                raise Conflict(
                    "the task was run again at this moment; only a task that has ended can be run again"
                )
            stages = [stage.name for stage in task.stages]
            detail = {"from": list(from_stages), "stages": stages}
            entry = Entry(
                project_id=row["project_id"],
                by=by,
                action=Action.TASK_RERUN,
                target=audit.task(task_id),
                detail=detail,
            )
            audit_store.add(self._database, entry)
            answer = {"id": str(task_id), "status": TaskStatus.PENDING, "stages": stages}
            idempotency.keep(self._database, keep, answer)
            carried(done)
        return answer


def _check_stages(plan: Plan, names: Sequence[str]) -> None:
    known = plan.template.by_name
    faults = tuple(
        Fault(f"from.{place}", f"there is no stage '{name}'; the task has {', '.join(known)}")
        for place, name in enumerate(names)
        if name not in known
    )
    if faults:
        raise InvalidInput("the task has no such stage", faults=faults)
