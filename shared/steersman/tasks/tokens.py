"""What state machines ask of stages, and are answered: the seam between an execution and the state in PostgreSQL.

A token is noted before its stage is looked at, and forgotten when it is answered; whoever ends the stage, or finds it
ended, answers. So no answer is lost by a crash, and one that is given twice does no harm.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from steersman.aws.machines import StateMachines
from steersman.aws.queues import Job
from steersman.db.connection import Database
from steersman.json import loads
from steersman.tasks import token_store
from steersman.tasks.asl import answers
from steersman.tasks.asl.answers import Answer
from steersman.tasks.asl.conditions import Conditions
from steersman.tasks.asl.words import Failure, Move
from steersman.tasks.planner import Plan
from steersman.tasks.plans import Plans
from steersman.tasks.token_store import Asked
from steersman.tasks.words import TaskStatus

EARLY_S = 1.0  # what is asked for sooner than it may be tried again, but by less, is done at once


class Tokens:
    """Takes tokens and answers them."""

    def __init__(self, *, database: Database, machines: Callable[[], StateMachines], plans: Plans) -> None:
        self._database = database
        self._machines = machines
        self._plans = plans
        self._conditions: dict[UUID, Conditions] = {}

    def take(self, asked: Sequence[Asked]) -> tuple[list[Job], list[dict[str, Any]]]:
        """Note what is asked; return the jobs to do now, and rows of stages that are to be tried later (`delay_s`).

        Raises Unavailable: then the same messages are to come again.
        """
        undo = [one for one in asked if one.move == Move.UNDO]
        if undo:
            self._say_what_to_undo(undo)
        asked = [one for one in asked if one.move != Move.UNDO]
        rows = token_store.take(self._database, asked) if asked else []
        for place in set(range(1, len(asked) + 1)) - {row["place"] for row in rows}:
            self._machines().fail(asked[place - 1].token, Failure.FINAL, "there is no such stage")
        early = [row for row in rows if row["status"] == "ready" and row["delay_s"] > EARLY_S]
        later = {row["place"] for row in early}
        jobs = [
            Job(row["task_id"], row["stage"], row["attempt"]) for row in rows if row["place"] not in later
        ]
        return jobs, early

    def answer(self, stages: Collection[tuple[UUID, str]], task_ids: Collection[UUID] = ()) -> set[UUID]:
        """Answer the tokens of these stages, and of all stages of tasks that ended, where an answer is due.

        Returns the open tasks of which nobody heard the answer of a stage: their execution may be gone.
        Raises Unavailable when Step Functions does not take one: then the same is to be asked again.
        """
        rows = token_store.unanswered(self._database, stages, task_ids)
        plans = self._plans.of({row["template_id"] for row in rows})
        done: list[tuple[UUID, str, str]] = []
        heard: dict[tuple[UUID, str], bool] = {}  # of the stages of open tasks, by any of their tokens
        try:
            for row in rows:
                plan = plans[row["template_id"]]
                given = answers.answer(row, plan.template, self._conditions_of(plan))
                if given is not None:
                    one, said = (row["task_id"], row["stage"]), self._give(row["token"], given)
                    if not TaskStatus(row["task_status"]).final:
                        heard[one] = said or heard.get(one, False)
                    done.append((row["task_id"], row["stage"], row["token"]))
        finally:
            if done:
                token_store.forget(self._database, done)
        return {task_id for (task_id, _), by_any in heard.items() if not by_any}

    def _say_what_to_undo(self, asked: Sequence[Asked]) -> None:
        rows = {
            row["task_id"]: row
            for row in token_store.statuses(self._database, [one.task_id for one in asked])
        }
        plans = self._plans.of({row["template_id"] for row in rows.values()})
        for one in asked:
            row = rows.get(one.task_id)
            if row is None:
                self._give(one.token, Answer(None, Failure.FINAL, "there is no such task"))
            else:
                self._give(one.token, answers.undoing(row["statuses"], plans[row["template_id"]].template))

    def _give(self, token: str, given: Answer) -> bool:
        if given.output is not None:
            return self._machines().succeed(token, given.output)
        return self._machines().fail(token, str(given.failure), given.cause)

    def _conditions_of(self, plan: Plan) -> Conditions:
        known = self._conditions.get(plan.template_id)
        if known is None:
            known = self._conditions[plan.template_id] = Conditions.of(plan.template)
        return known


def asked_in(body: str) -> Asked | None:
    """Return what a state machine asks in a message, or None when it is a plain one. Raise ValueError when neither."""
    if '"token"' not in body:
        return None
    try:
        document = loads(body)
        ((task_id, stage, _attempt),) = document["jobs"]
        item = document.get("item")
        if not all(isinstance(one, str) for one in (stage, document["token"])):
            raise TypeError("a token and a stage are texts")
        if item is not None and type(item) is not int:
            raise TypeError("an item is a number")
        return Asked(UUID(task_id), stage, str(Move(document["move"])), document["token"], item)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ValueError("the message is not a stage message") from exc
