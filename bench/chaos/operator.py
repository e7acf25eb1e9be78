"""An operator: raises spent budgets, answers approvals, pauses and resumes, cancels items, through the API's handlers.

In the storm it does some of it, at random; in the calm it raises, answers and resumes all that there is. Clerks of
its own see to limits, schedules, and tasks that are to run again.
"""

import random
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from bench.chaos import orders
from bench.chaos.http_events import answer_of
from bench.chaos.journal import Journal
from bench.chaos.operator_limits import LimitsClerk
from bench.chaos.operator_reruns import RerunsClerk
from bench.chaos.operator_schedules import SchedulesClerk
from bench.chaos.run_folder import Run
from bench.chaos.schedule import TEMPLATES
from functions.api.approvals import handler as approvals
from functions.api.pauses import handler as pauses
from functions.api.tasks import handler as tasks
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.tasks.words import Queue

PAUSE_S = 0.25
# Of what there is, so much is done in each round of a storm.
_RAISED, _ANSWERED, _TASKS_RESUMED, _OTHERS_RESUMED = 0.3, 0.3, 0.08, 0.05
_TASK_PAUSED, _TEMPLATE_PAUSED, _QUEUE_PAUSED, _ITEM_CANCELLED = 0.25, 0.02, 0.02, 0.1
_MOST = 20
_MICRO = Decimal("0.000001")
_OPEN = "status IN ('pending', 'running', 'awaiting', 'retrying')"
_SPENT = f"""
    SELECT id, cost_usd, tokens FROM task_histories
    WHERE {_OPEN} AND (cost_usd > 0 AND cost_usd >= (constraints ->> 'budget_usd')::numeric
                       OR tokens >= (constraints ->> 'budget_tokens')::bigint) ORDER BY id"""  # noqa: S608
_PAUSED = f"SELECT id FROM task_histories WHERE {_OPEN} AND paused IS NOT NULL ORDER BY id"  # noqa: S608
_GOING = f"SELECT id FROM task_histories WHERE {_OPEN} AND paused IS NULL ORDER BY id DESC LIMIT 40"  # noqa: S608
_ITEMS = f"""
    SELECT id FROM task_histories WHERE {_OPEN} AND parent_task_id IS NOT NULL ORDER BY id DESC LIMIT 40"""  # noqa: S608


class Operator:
    """Looks again and again for what it can do, and does it once; what was not answered it finds again."""

    def __init__(self, run: Run, name: str, *, calm: bool) -> None:
        self._calm = calm
        self._rng = random.Random(f"{run.seed}:operator:{name}")  # noqa: S311 - to be repeated, not to be secret
        self._desk = orders.Desk(Journal(run.journal(f"operator-{name}")), name)
        self._database = Database(run.database_url)
        clerks = (
            LimitsClerk(self._desk, self._rng, calm=calm),
            RerunsClerk(self._desk, self._database, self._rng, calm=calm),
            SchedulesClerk(run, self._desk, self._database, self._rng, calm=calm),
        )
        moves: tuple[Callable[[], None], ...] = (
            *(move for clerk in clerks for move in clerk.moves()),
            self._raise_budgets,
            self._answer,
            self._resume_tasks,
            self._resume_others,
        )
        accidents = (self._pause_task, self._pause_template, self._pause_queue, self._cancel_item)
        self._moves = moves if calm else (*moves, *accidents)

    def work(self, wanted: Callable[[], bool]) -> None:
        pause = threading.Event()
        while wanted():
            for move in self._moves:
                try:
                    move()
                except Unavailable:
                    continue  # the database is just being restarted
            pause.wait(PAUSE_S)

    def _some(self, share: float) -> bool:
        return self._calm or self._rng.random() < share

    def _ids(self, statement: str) -> list[str]:
        return [str(row["id"]) for row in self._database.run(statement)]

    def _raise_budgets(self) -> None:
        for row in self._database.run(_SPENT)[:_MOST]:
            if self._some(_RAISED):
                more = 1 if self._calm or self._rng.random() < 0.5 else 0
                limits = {
                    "budget_usd": str(row["cost_usd"] + more + self._rng.randrange(1, 400) * _MICRO),
                    "budget_tokens": row["tokens"] + more * 10**6 + self._rng.randrange(1, 200),
                }
                self._desk.give(tasks, orders.raised(str(row["id"]), limits), {200, 409, 422})

    def _answer(self) -> None:
        status, body = answer_of(approvals(orders.asked(), None))
        for found in body["approvals"][:_MOST] if status == 200 else ():
            if self._some(_ANSWERED):
                approved = self._rng.random() < 0.85
                order = orders.answered(found["task_id"], found["stage"], self._desk.key(), approved=approved)
                self._desk.give(approvals, order, {200, 409})

    def _resume_tasks(self) -> None:
        for task_id in self._ids(_PAUSED)[:_MOST]:
            if self._some(_TASKS_RESUMED):
                self._desk.give(pauses, orders.of_task(task_id, "resume", self._desk.key()), {200, 409})

    def _resume_others(self) -> None:
        for row in self._database.run("SELECT scope, name FROM pauses ORDER BY scope, name"):
            if self._some(_OTHERS_RESUMED):
                self._desk.give(pauses, orders.resumed(row["scope"], row["name"]), {204, 404})

    def _pause_task(self) -> None:
        self._on_one(_TASK_PAUSED, _GOING, partial(orders.of_task, what="pause"), pauses)

    def _cancel_item(self) -> None:
        self._on_one(_ITEM_CANCELLED, _ITEMS, partial(orders.of_task, what="cancel"), tasks)

    def _on_one(
        self, share: float, statement: str, order: Callable[..., Mapping[str, Any]], handler: orders.Handler
    ) -> None:
        if self._some(share) and (ids := self._ids(statement)):
            self._desk.give(handler, order(self._rng.choice(ids), key=self._desk.key()), {200, 409})

    def _pause_template(self) -> None:
        self._pause(_TEMPLATE_PAUSED, "template", self._rng.choice(TEMPLATES))

    def _pause_queue(self) -> None:
        self._pause(_QUEUE_PAUSED, "queue", self._rng.choice(list(Queue)))

    def _pause(self, share: float, scope: str, name: str) -> None:
        if self._some(share):
            self._desk.give(pauses, orders.paused(scope, name, self._desk.key()), {200})
