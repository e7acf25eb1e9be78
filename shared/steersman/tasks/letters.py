"""Dead letters for people: browse them, redrive one or discard it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.db.connection import Database
from steersman.errors import Conflict, Fault, InvalidInput, NotFound, SteersmanError, TooLarge
from steersman.http import cursors, idempotency
from steersman.http.request import KeptAnswer, Request
from steersman.json import dumps
from steersman.tasks import letter_store, resumption_store
from steersman.tasks.letter_store import Filters
from steersman.tasks.payloads import Payloads
from steersman.tasks.planner import Plan
from steersman.tasks.plans import Plans
from steersman.tasks.references import MAX_PAYLOAD_BYTES, goes_apart
from steersman.tasks.resumption import Resumptions
from steersman.tasks.words import LetterStatus, Resumption, TaskStatus

RESULTS_BYTES = 4_000_000  # of the results that one letter is shown with: Lambda answers with at most 6 MB


class DeadLetters:
    """Reads dead letters, and carries out what people decide about one."""

    def __init__(
        self, *, database: Database, plans: Plans, payloads: Payloads, resumptions: Resumptions
    ) -> None:
        self._database = database
        self._payloads = payloads
        self._plans = plans
        self._resumptions = resumptions

    def page(self, project_id: UUID, *, filters: Filters, cursor: str | None, limit: int) -> dict[str, Any]:
        """Return {"dead_letters", "next_cursor"}, newest first. `filters` as in `letter_store.page`."""
        before = cursors.decode_id("dead_letters", cursor)
        rows = letter_store.page(self._database, project_id, filters=filters, before=before, limit=limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        following = cursors.encode("dead_letters", str(rows[-1]["id"])) if more else None
        return {"dead_letters": rows, "next_cursor": following}

    def get(self, letter_id: UUID) -> dict[str, Any]:
        """Return a letter with what its stage was given and did; raise NotFound."""
        row = letter_store.context(self._database, letter_id)
        if row is None:
            raise _unknown(letter_id)
        plan = self._plans.of([row["template_id"]])[row["template_id"]]
        results, left_out = _fitting(plan.visible(row["stage"], row["earlier"] or {}))
        edited = row["edited_input"]
        return {
            **row,
            "input": row["input"] if edited is None else edited,
            "input_edited": edited is not None,
            "results": results,
            "results_left_out": left_out,
            "lines": row["lines"] or [],
        }

    def redrive(self, letter_id: UUID, request: Request, edited: dict[str, Any] | None) -> dict[str, Any]:
        """Have the letter's task go on where it failed, its stage with an `edited` input where one is given.

        Returns the letter. Raises NotFound, Conflict for one that is not open, InvalidInput or TooLarge for the input.
        """
        keep = idempotency.asked(request, {"input": edited})
        return idempotency.kept_with(
            self._database, keep, lambda: self._redriven(letter_id, request.requested_by, edited, keep)
        )

    def discard(self, letter_id: UUID, request: Request, reason: str) -> dict[str, Any]:
        """Decide that nothing more is done about a letter, and return it; raise NotFound or Conflict."""
        keep = idempotency.asked(request, {"reason": reason})
        return idempotency.kept_with(
            self._database, keep, lambda: self._discarded(letter_id, request.requested_by, reason, keep)
        )

    def _redriven(
        self, letter_id: UUID, by: str, edited: dict[str, Any] | None, keep: KeptAnswer | None
    ) -> dict[str, Any]:
        letter = self._open(letter_id, "redriven")
        stage, task_id = letter["stage"], letter["task_id"]
        (row,) = resumption_store.ended(self._database, [task_id])
        if not TaskStatus(row["status"]).final:
            raise Conflict(f"the task {task_id} is {row['status']}: it is not dead, and cannot be redriven")
        if reason := self._resumptions.refusal(row):
            raise Conflict(reason)
        if edited is not None:
            _check_input(self._resumptions.plan_of(row), edited)
        inputs = {} if edited is None else {stage: self._kept(task_id, edited)}
        task = self._resumptions.anew(row, Resumption.REDRIVE, by=by, from_stages=[stage], inputs=inputs)
        with self._resumptions.carried_out() as carried:
            done = self._resumptions.resume([task], by=by)
            if not done.facts:
                raise Conflict(
                    f"the task {task_id} runs again already: it is not dead, and cannot be redriven"
                )
            detail = {"stage": stage, "dead_letter": letter_id, "input_edited": edited is not None}
            self._audit(letter, by, Action.TASK_REDRIVEN, audit.task(task_id), detail)
            answer = self._found(letter_id)
            idempotency.keep(self._database, keep, answer)
            carried(done)
        return answer

    def _kept(self, task_id: UUID, edited: dict[str, Any]) -> dict[str, Any]:
        """Return an input as its row holds it: a large one lies in the bucket. Raise Unavailable."""
        text = dumps(edited)
        if not goes_apart(edited, text):
            return edited
        (answer,) = self._payloads.keep([(task_id, text)])
        if isinstance(answer, SteersmanError):
            raise answer
        return answer.document()

    def _discarded(self, letter_id: UUID, by: str, reason: str, keep: KeptAnswer | None) -> dict[str, Any]:
        letter = self._open(letter_id, "discarded")
        with self._database.transaction():
            if not letter_store.discard(self._database, letter_id, by=by, reason=reason):
                raise Conflict("the dead letter was decided about at this moment; look at it again")
            detail = {"reason": reason, "task_id": letter["task_id"], "stage": letter["stage"]}
            self._audit(letter, by, Action.LETTER_DISCARDED, audit.dead_letter(letter_id), detail)
            answer = self._found(letter_id)
            idempotency.keep(self._database, keep, answer)
        return answer

    def _audit(
        self, letter: Mapping[str, Any], by: str, action: Action, target: str, detail: Mapping[str, Any]
    ) -> None:
        entry = Entry(project_id=letter["project_id"], by=by, action=action, target=target, detail=detail)
        audit_store.add(self._database, entry)

    def _open(self, letter_id: UUID, verb: str) -> dict[str, Any]:
        letter = self._found(letter_id)
        if letter["status"] != LetterStatus.OPEN:
            raise Conflict(f"the dead letter is {letter['status']} already; only an open one can be {verb}")
        return letter

    def _found(self, letter_id: UUID) -> dict[str, Any]:
        letter = letter_store.find(self._database, letter_id)
        if letter is None:
            raise _unknown(letter_id)
        return letter


def _unknown(letter_id: UUID) -> NotFound:
    return NotFound(f"there is no dead letter {letter_id}")


def _check_input(plan: Plan, edited: dict[str, Any]) -> None:
    faults = plan.input_schema.faults(edited, "input") if plan.input_schema else ()
    if faults:
        raise InvalidInput("the input cannot be taken", faults=faults)
    if len(dumps(edited)) > MAX_PAYLOAD_BYTES:
        fault = Fault("input", f"has {len(dumps(edited))} bytes; the limit is {MAX_PAYLOAD_BYTES}")
        raise TooLarge("the input cannot be taken", faults=(fault,))


def _fitting(results: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the results that an answer has room for, and the names of the others."""
    shown, left_out, left = {}, [], RESULTS_BYTES
    for name, result in results.items():
        left -= len(dumps(result))
        if left >= 0:
            shown[name] = result
        else:
            left_out.append(name)
    return shown, left_out
