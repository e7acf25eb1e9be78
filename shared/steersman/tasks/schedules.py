"""Schedules for people: create, list, read, change, delete, run out of turn."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.db.connection import Database
from steersman.errors import Conflict, Fault, InvalidInput, NotFound, Unavailable
from steersman.http import cursors, idempotency, idempotency_store
from steersman.http.request import KeptAnswer, Request
from steersman.ids import new_id
from steersman.json import dumps, loads
from steersman.projects.service import Projects
from steersman.tasks import schedule_store
from steersman.tasks.open_work import OpenWork
from steersman.tasks.resending import Warn
from steersman.tasks.schedule_rows import task_of, times_of
from steersman.tasks.schedule_times import WhenKind, parse, upcoming
from steersman.tasks.schedule_views import ScheduleChange, ScheduleCreation
from steersman.tasks.submission import Submissions
from steersman.tasks.submission_store import NewTask

NEXT_TIMES = 5
_NULLABLE = {"template_version"}
_OF_TIMES = {"cron", "rate", "timezone"}
_OF_TASKS = {"template", "template_version", "input", "priority", "labels", "constraints"}


class Schedules:
    """Reads and changes of schedules for the API. The sweep is told of new times before they are stored."""

    def __init__(
        self,
        *,
        database: Database,
        submissions: Submissions,
        projects: Projects,
        open_work: OpenWork,
        warn: Warn,
    ) -> None:
        self._database = database
        self._submissions = submissions
        self._projects = projects
        self._open_work = open_work
        self._warn = warn

    def create(self, body: ScheduleCreation, request: Request) -> dict[str, Any]:
        """Store a schedule and return it. Raises InvalidInput or TooLarge with what is wrong of its times or task,
        Conflict when its name is taken, Unavailable when the sweep cannot be told: then nothing was stored.
        """
        project_id = self._projects.id(body.project)
        keep = _asked(body, project_id, request)
        if keep and (known := idempotency.replay(self._database, keep)) is not None:
            return known
        row = self._checked(body, request)
        self._open_work.submitted()
        try:
            with self._database.transaction():
                schedule_store.add(self._database, {**row, "project_id": project_id})
                self._note(project_id, row["id"], Action.SCHEDULE_CREATED, request, name=body.name)
                answer: dict[str, Any] = loads(dumps(self.get(project_id, row["id"])))
                if keep:
                    idempotency_store.keep(self._database, keep, answer)
        except Conflict as exc:
            if keep:
                return idempotency.replay_after(_taken(body.name), self._database, keep)
            raise _taken(body.name) from exc
        self._tell_again()
        return answer

    def get(self, project_id: UUID, schedule_id: UUID) -> dict[str, Any]:
        """Return a schedule with its next times; raise NotFound."""
        return _whole(self._found(project_id, schedule_id))

    def page(
        self, project_id: UUID, *, filters: Mapping[str, Any], cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """Return {"schedules", "next_cursor"} by name. `filters` as in `schedule_store.page`."""
        after = cursors.decode("schedules", cursor)
        rows = schedule_store.page(self._database, project_id, filters=filters, after=after, limit=limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        return {
            "schedules": [_shown(row) for row in rows],
            "next_cursor": cursors.encode("schedules", rows[-1]["name"]) if more else None,
        }

    def change(
        self, project_id: UUID, schedule_id: UUID, body: ScheduleChange, request: Request
    ) -> dict[str, Any]:
        """Change what `body` names and return the schedule. Raises as `create`, and NotFound."""
        self._found(project_id, schedule_id)
        given = _given(body)
        self._open_work.submitted()
        with self._database.transaction():
            row = self._found(project_id, schedule_id, lock=True)
            if columns := _columns(given) | _times(row, given):
                if given.keys() & _OF_TASKS:
                    self._submissions.check(task_of({**row, **columns}), request)
                schedule_store.change(self._database, schedule_id, columns)
                values = {name: value for name, value in given.items() if name != "input"}
                told = {"name": row["name"], "changed": sorted(given), "to": values}
                self._note(project_id, schedule_id, Action.SCHEDULE_CHANGED, request, **told)
            answer = self.get(project_id, schedule_id)
        self._tell_again()
        return answer

    def delete(self, project_id: UUID, schedule_id: UUID, request: Request) -> None:
        """Delete a schedule; its tasks stay. Raise NotFound."""
        with self._database.transaction():
            name = self._found(project_id, schedule_id, lock=True)["name"]
            schedule_store.delete(self._database, project_id, schedule_id)
            self._note(project_id, schedule_id, Action.SCHEDULE_DELETED, request, name=name)

    def run(self, project_id: UUID, schedule_id: UUID, request: Request) -> dict[str, Any]:
        """Make a task now, whatever the schedule's times; return it as accepted. Raises as a submission does."""
        row = self._found(project_id, schedule_id)

        def note(task: NewTask) -> None:
            schedule_store.note_task(self._database, schedule_id, task.id)
            told = {"name": row["name"], "task": task.id}
            self._note(project_id, schedule_id, Action.SCHEDULE_RUN, request, **told)

        accepted = self._submissions.accept([task_of(row)], request, single=True, also=note)["tasks"][0]
        return dict(accepted)

    def _note(
        self, project_id: UUID, schedule_id: UUID, action: Action, request: Request, **detail: Any
    ) -> None:
        """Write an audit entry, in the transaction of the change."""
        target = audit.schedule(schedule_id)
        by = request.requested_by
        entry = Entry(project_id=project_id, by=by, action=action, target=target, detail=detail)
        audit_store.add(self._database, entry)

    def _checked(self, body: ScheduleCreation, request: Request) -> dict[str, Any]:
        now = schedule_store.now(self._database).replace(microsecond=0)
        kind, expression = _chosen({"cron": body.cron, "rate": body.rate})
        when = parse(kind, expression, body.timezone, now=now)
        columns = _columns(body.model_dump(mode="json", exclude={"name", "project", "cron", "rate"}))
        self._submissions.check(task_of({**columns, "project": body.project}), request)
        return {
            **columns,
            "id": new_id(),
            "name": body.name,
            "when_kind": kind,
            "expression": expression,
            "next_at": when.after(now, now),
            "created_by": request.requested_by,
        }

    def _found(self, project_id: UUID, schedule_id: UUID, *, lock: bool = False) -> dict[str, Any]:
        row = schedule_store.find(self._database, project_id, schedule_id, lock=lock)
        if row is None:
            raise _unknown(schedule_id)
        return row

    def _tell_again(self) -> None:
        """Tell the sweep once more: one that ran meanwhile did not see what has been stored."""
        try:
            self._open_work.submitted()
        except Unavailable as exc:
            self._warn("the flag of open work was not set", {"reason": exc.message})


def _asked(body: ScheduleCreation, project_id: UUID, request: Request) -> KeptAnswer | None:
    if request.idempotency_key is None:
        return None
    return KeptAnswer(
        project_id=project_id,
        route=request.route,
        key=request.idempotency_key,
        request_hash=idempotency.fingerprint(body.model_dump(mode="json")),
        response={},
    )


def _given(body: ScheduleChange) -> dict[str, Any]:
    """Return what a change names; raise InvalidInput for nulls where there is nothing without a value."""
    given = body.model_dump(mode="json", exclude_unset=True)
    if given.get("cron") or given.get("rate"):
        given = {name: value for name, value in given.items() if value or name not in {"cron", "rate"}}
    nulls = [name for name, value in given.items() if value is None and name not in _NULLABLE]
    if nulls:
        faults = tuple(Fault(name, "must not be null; leave it out to keep what there is") for name in nulls)
        raise InvalidInput("the schedule cannot be changed", faults=faults)
    return given


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of a request as columns, without those of times."""
    columns = {name: value for name, value in given.items() if name not in {"cron", "rate", "template"}}
    if "template" in given:
        columns["template_name"] = given["template"]
    if "constraints" in given:
        constraints = given["constraints"].items()
        columns["constraints"] = {name: value for name, value in constraints if value is not None}
    return columns


def _times(row: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of times that a change sets: a schedule that goes on keeps its rhythm."""
    now = row["now"].replace(microsecond=0)
    kind, expression = WhenKind(row["when_kind"]), row["expression"]
    if given.keys() & {"cron", "rate"}:
        kind, expression = _chosen(given)
    timezone = given.get("timezone", row["timezone"])
    resumed = row["paused"] and given.get("paused") is False
    if not (given.keys() & _OF_TIMES or resumed):
        return {}
    when = parse(kind, expression, timezone, now=now)
    moved = kind is WhenKind.CRON and timezone != row["timezone"]
    kept = (kind, expression) == (row["when_kind"], row["expression"]) and not moved
    if not kept:
        next_at = when.after(now, now)
    else:
        next_at = row["next_at"] if row["next_at"] > now else when.after(now, row["next_at"])
    return {"when_kind": kind, "expression": expression, "next_at": next_at}


def _chosen(given: Mapping[str, str | None]) -> tuple[WhenKind, str]:
    found = [(kind, expression) for kind in WhenKind if (expression := given.get(kind)) is not None]
    if len(found) != 1:
        reason = "give either cron or rate, not both" if found else "give cron, as in '0 2 * * *', or rate"
        raise InvalidInput("the schedule has no times", faults=(Fault("cron", reason),))
    return found[0]


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the API shows it in a list."""
    hidden = {"template_name", "when_kind", "expression", "project_id", "now"}
    shown = {name: value for name, value in row.items() if name not in hidden}
    times = {kind: row["expression"] if row["when_kind"] == kind else None for kind in ("cron", "rate")}
    next_at = None if row["paused"] else row["next_at"]
    return {**shown, **times, "template": row["template_name"], "next_at": next_at}


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {**_shown(row), "next_times": []}
    if not row["paused"]:
        with suppress(InvalidInput):  # the sweep will say that its times cannot be told any more
            shown["next_times"] = upcoming(times_of(row), row["next_at"], NEXT_TIMES)
    return shown


def _taken(name: str) -> Conflict:
    fault = Fault("name", f"there is a schedule '{name}' already; change that one, or take another name")
    return Conflict("the name of the schedule is taken", faults=(fault,))


def _unknown(schedule_id: UUID) -> NotFound:
    return NotFound(f"there is no schedule {schedule_id}; GET /v1/schedules lists them")
