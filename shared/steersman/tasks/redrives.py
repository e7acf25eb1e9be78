"""Redriving many dead letters at once: what it would mean, and doing it at a rate."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from steersman.audit import store as audit_store
from steersman.audit import words as audit
from steersman.audit.store import Entry
from steersman.audit.words import Action
from steersman.db.connection import Database
from steersman.errors import Conflict
from steersman.http import idempotency
from steersman.http.request import KeptAnswer, Request
from steersman.projects.service import Projects
from steersman.tasks import letter_store, resumption_store
from steersman.tasks.letter_store import Filters
from steersman.tasks.letter_views import Redrives
from steersman.tasks.resumption import BATCH, Resumptions
from steersman.tasks.resumption_store import Anew
from steersman.tasks.words import Resumption, TaskStatus

MOST = 10_000  # tasks of one call: what a function has time for
SAMPLE = 1000  # tasks whose stages an estimate looks at
FILTERS = ("stage", "template", "template_version", "error", "failed_after", "failed_before")


class ManyRedrives:
    """Previews and carries out redrives by filter."""

    def __init__(self, *, database: Database, projects: Projects, resumptions: Resumptions) -> None:
        self._database = database
        self._projects = projects
        self._resumptions = resumptions

    def redrive(self, wanted: Redrives, request: Request) -> dict[str, Any]:
        """Return what passes the filters, as `RedrivesView` says; unless it is a preview, after redriving it.

        The k-th task begins after k / rate seconds. Raises InvalidInput for the project, and Conflict when another
        number of letters passes than was expected: then nothing was redriven.
        """
        project_id = self._projects.id(wanted.project)
        filters = {name: getattr(wanted, name) for name in FILTERS}
        if wanted.preview:
            return self._told(wanted, project_id, filters)
        keep = idempotency.asked(request, wanted.model_dump(mode="json"), project_id=project_id)
        return idempotency.kept_with(
            self._database,
            keep,
            lambda: self._redriven(wanted, project_id, filters, request.requested_by, keep),
        )

    def _redriven(
        self, wanted: Redrives, project_id: UUID, filters: Filters, by: str, keep: KeptAnswer | None
    ) -> dict[str, Any]:
        with self._resumptions.carried_out() as carried:
            answer = self._told(wanted, project_id, filters)
            if wanted.expected is not None and answer["letters"] != wanted.expected:
                raise Conflict(
                    f"{answer['letters']} dead letters pass the filters now, not {wanted.expected}; "
                    "nothing was redriven: look at a new preview"
                )
            done = self._resumptions.resume(self._anew(project_id, filters, wanted.rate_per_s, by), by=by)
            (left, *_) = letter_store.numbers(self._database, project_id, filters)
            answer |= {
                "redriven_letters": done.letters,
                "redriven_tasks": len(done.facts),
                "left": left["letters"],
            }
            self._audit(wanted, project_id, filters, by, answer)
            idempotency.keep(self._database, keep, answer)
            carried(done)
        return answer

    def _anew(self, project_id: UUID, filters: Filters, rate_per_s: int, by: str) -> Sequence[Anew]:
        tasks = letter_store.tasks(self._database, project_id, filters, limit=MOST)
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(tasks), BATCH):
            rows = resumption_store.ended(self._database, tasks[start : start + BATCH])
            found += [
                row
                for row in rows
                if TaskStatus(row["status"]).final and self._resumptions.refusal(row) is None
            ]
        place = {task: number for number, task in enumerate(tasks)}
        return [
            self._resumptions.anew(row, Resumption.REDRIVE, by=by, delay_s=place[row["id"]] / rate_per_s)
            for row in found
        ]

    def _told(self, wanted: Redrives, project_id: UUID, filters: Filters) -> dict[str, Any]:
        (whole, *parts) = letter_store.numbers(self._database, project_id, filters)
        tasks = min(whole["tasks"], MOST)
        return {
            "preview": wanted.preview,
            "letters": whole["letters"],
            "tasks": whole["tasks"],
            "by_version": _summed(parts, "template", "template_version"),
            "by_error": _summed(parts, "error"),
            "estimated_cost_usd": self._usual_cost_usd(project_id, filters, tasks),
            "seconds": max(0, tasks - 1) / wanted.rate_per_s,
            "redriven_letters": 0,
            "redriven_tasks": 0,
            "left": whole["letters"],
        }

    def _usual_cost_usd(self, project_id: UUID, filters: Filters, tasks: int) -> Decimal:
        """Return what `tasks` of these usually cost to redrive, by a sample of them."""
        sample = letter_store.tasks(self._database, project_id, filters, limit=min(tasks, SAMPLE))
        if not sample:
            return Decimal(0)
        cost = letter_store.usual_cost_usd(self._database, project_id, sample)
        return round(Decimal(cost * tasks / len(sample)), 6)

    def _audit(
        self, wanted: Redrives, project_id: UUID, filters: Filters, by: str, answer: Mapping[str, Any]
    ) -> None:
        detail = {
            "filter": {name: value for name, value in filters.items() if value is not None},
            "rate_per_s": wanted.rate_per_s,
            **{name: answer[name] for name in ("redriven_letters", "redriven_tasks", "left")},
        }
        entry = Entry(
            project_id=project_id,
            by=by,
            action=Action.LETTERS_REDRIVEN,
            target=audit.project(wanted.project),
            detail=detail,
        )
        audit_store.add(self._database, entry)


def _summed(parts: Sequence[Mapping[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Return the letters of the parts added up by these columns, most first."""
    sums: dict[tuple[Any, ...], int] = {}
    for part in parts:
        key = tuple(part[name] for name in names)
        sums[key] = sums.get(key, 0) + part["letters"]
    ordered = sorted(sums.items(), key=lambda entry: (-entry[1], *map(str, entry[0])))
    return [{**dict(zip(names, key, strict=True)), "letters": letters} for key, letters in ordered]
