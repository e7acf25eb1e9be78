"""Tasks with their messages and workers: what is done to them is done to a carrier, and held to the model."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from tests.unit.tasks.carrier import Answer, Carrier, Claim, Finish, Grant, Seen, Told
from tests.unit.tasks.dags import Dag
from tests.unit.tasks.histories import Event, check_history
from tests.unit.tasks.model import ModelTask

Message = tuple[int, str, int]  # task, stage, attempt
Item = TypeVar("Item")

MOODS: dict[str, list[Answer]] = {
    "steady": ["go"] * 8 + ["stay"],
    "flaky": ["go", "go", "stay", "fail", "timeout"],
    "failing": ["fail"] * 4 + ["timeout"] * 4 + ["refuse"],
}


@dataclass(frozen=True)
class Move:
    """Something done to the carrier, and how its answer is held to the model (which learns of it only then)."""

    act: Callable[[Any], Any]
    judge: Callable[[Any], None]


class World:
    """What there is: the tasks of a carrier with their models, messages on their way, attempts in workers' hands."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier: Any = carrier
        self.models: list[ModelTask] = []
        self.told: list[list[Event]] = []
        self.sent: list[Message] = []
        self.waiting: list[Message] = []
        self.held: list[tuple[int, Claim, Grant]] = []
        self.reported: list[tuple[int, Claim, Grant]] = []
        self.agrees = False
        self._leases = count(1)
        self._meets = False
        self._met = False

    def submit(self, dag: Dag) -> None:
        self.agrees = False
        model = ModelTask(dag)
        self.models.append(model)
        self.told.append([])
        self._hear([(len(self.models) - 1, event) for event in self.carrier.submit(dag)], model.submitted())

    def do(self, *moves: Move) -> None:
        """Make moves, one after the other."""
        self.agrees = False
        for move in moves:
            move.judge(move.act(self.carrier))

    def meet(self, one: Move, other: Move) -> None:
        """Make two moves at once; what comes of it is what comes of `one`, then `other`."""
        self.agrees = False
        self._met = True
        answers = self.carrier.overlap(one.act, other.act)
        one.judge(answers[0])
        self._meets = True
        other.judge(answers[1])
        self._meets = False

    def expire(self, task: int, stage: str) -> None:
        self.models[task].expire(stage)
        self.carrier.expire(task, stage)

    def pass_deadline(self, task: int) -> None:
        self.models[task].overdue = True
        self.carrier.pass_deadline(task)

    def sweep(self) -> None:
        """Find what is stranded, end what is overdue, send the rest again."""
        found = self.carrier.stranded()
        assert found == {
            (task, *row) for task, model in enumerate(self.models) for row in model.stranded()
        }, "the sweep finds what is stranded, and nothing else"
        self.do(self.stopping(sorted({task for task, _, _, late in found if late}), "failed"))
        self._send(sorted((task, stage, attempt) for task, stage, attempt, late in found if not late))

    def agree(self) -> None:
        """Hold all that can be seen of every task to its model."""
        for task, model in enumerate(self.models):
            seen, expected = self.carrier.see(task), model.seen()
            if model.end == "failed" and model.failures:
                assert seen.failed_at in model.failures, "a failed task names a stage that failed it"
            if self._met and {seen.status, expected.status} == {"running", "retrying"}:
                # A claim that looks while a retry is not committed yet does not see it: the next one sets it right.
                expected = replace(expected, status=seen.status)
            assert not (faults := _differences(seen, expected)), f"task {task}: {faults}"
        self.agrees = True

    def end_all(self) -> None:
        """Let all that is open end, as the sweep and healthy workers do, and read every log from its beginning."""
        for _ in range(200):
            if all(model.end for model in self.models):
                break
            for task, stage in self.running():
                self.expire(task, stage)
            self.sweep()
            self.held.clear()
            self.do(self.delivery(0, len(self.waiting)))
            self.do(self.report(0, len(self.held), "steady"))
        self.agree()
        for task, model in enumerate(self.models):
            assert model.end, "an accepted task never ends"
            log = self.carrier.log(task)
            assert sorted(log, key=str) == sorted(self.told[task], key=str), "the log is what was told"
            check_history(model.dag, log)

    def running(self) -> list[tuple[int, str]]:
        return [
            (task, name)
            for task, model in enumerate(self.models)
            for name in model.stages
            if model.status(name) == "running"
        ]

    def delivery(self, seed: int, size: int) -> Move:
        messages = some(self.waiting, size, seed)
        for message in messages:
            self.waiting.remove(message)
        return self.claiming(messages)

    def claiming(self, messages: Iterable[Message]) -> Move:
        """A batch of messages asks for leases; of several for one stage the latest attempt counts."""
        latest: dict[tuple[int, str], int] = {}
        for task, stage, attempt in messages:
            latest[task, stage] = max(attempt, latest.get((task, stage), 0))
        claims = [
            (task, Claim(stage, attempt, UUID(int=next(self._leases))))
            for (task, stage), attempt in latest.items()
        ]

        def judge(grants: list[Grant]) -> None:
            self._judge_grants(claims, grants)
            granted = zip(claims, grants, strict=True)
            self.held += [(task, claim, grant) for (task, claim), grant in granted if _claimed(grant)]

        return Move(lambda carrier: carrier.claim(claims), judge)

    def claiming_again(self, held: Iterable[tuple[int, Claim, Grant]]) -> Move:
        asked = list({(task, claim.stage): (task, claim) for task, claim, _ in held}.values())

        def judge(grants: list[Grant]) -> None:
            self._judge_grants(asked, grants)
            for (task, claim), grant in zip(asked, grants, strict=True):
                if _claimed(grant):
                    self.held = [
                        (task, claim, grant) if item[:2] == (task, claim) else item for item in self.held
                    ]

        return Move(lambda carrier: carrier.claim(asked), judge)

    def _judge_grants(self, claims: Sequence[tuple[int, Claim]], grants: Sequence[Grant]) -> None:
        for (task, claim), grant in zip(claims, grants, strict=True):
            status = self.models[task].status(claim.stage)
            expected = self.models[task].claim(claim)
            if self._meets and grant.verdict == "busy" and not _claimed(expected):
                continue  # refused for what held before the other's move
            assert grant == expected, f"claim of the {status} stage {claim.stage} of task {task}, {claim}"
        for (task, claim), grant in zip(claims, grants, strict=True):
            if _claimed(grant) and grant.first:
                self.told[task].append(("stage.started", claim.stage, grant.attempt))

    def report(self, seed: int, size: int, mood: str) -> Move:
        held = some(self.held, size, seed)
        for item in held:
            self.held.remove(item)
        return self.finishing(held, seed, mood)

    def finishing(self, held: Iterable[tuple[int, Claim, Grant]], seed: int, mood: str) -> Move:
        """Workers report a batch, one result of each stage at most."""
        rng = random.Random(seed)  # noqa: S311 - a drawn seed
        finishes = [
            (task, Finish(claim.stage, claim.lease, grant, rng.choice(MOODS[mood]), rng.randint(0, 2)))
            for task, claim, grant in {
                (task, claim.stage): (task, claim, grant) for task, claim, grant in held
            }.values()
        ]
        self.reported += held

        def judge(told: Told) -> None:
            by_task: dict[int, list[Finish]] = defaultdict(list)
            for task, finish in finishes:
                by_task[task].append(finish)
            self._hear_all(told, {task: self.models[task].finish(batch) for task, batch in by_task.items()})

        return Move(lambda carrier: carrier.finish(finishes), judge)

    def stopping(self, tasks: Sequence[int], word: str) -> Move:
        def judge(told: Told) -> None:
            self._hear_all(told, {task: self.models[task].stop(word) for task in tasks})

        return Move(lambda carrier: carrier.stop(tasks, word), judge)

    def _hear_all(self, told: Told, expected: dict[int, list[Event]]) -> None:
        assert {task for task, _ in told} <= set(expected), "events of a task that nothing was done to"
        for task, events in expected.items():
            self._hear([item for item in told if item[0] == task], events)

    def _hear(self, told: Told, expected: list[Event]) -> None:
        """Hold the events of one task to what was expected, and send the messages that they ask for."""
        events = Counter(_unnumbered(event) for _, event in told)
        due = Counter(map(_unnumbered, expected))
        assert events == due, f"told, but not due: {events - due}; due, but not told: {due - events}"
        for task, (event, stage, attempt) in told:
            self.told[task].append((event, stage, attempt))
            if stage and attempt and event in {"stage.ready", "stage.retrying"}:
                self._send([(task, stage, attempt + (event == "stage.retrying"))])

    def _send(self, messages: Sequence[Message]) -> None:
        self.sent += messages
        self.waiting += messages


def some(items: Sequence[Item], size: int, seed: int) -> list[Item]:
    """Return up to `size` of the items, in any order."""
    return random.Random(seed).sample(items, min(size, len(items)))  # noqa: S311 - a drawn seed


def _claimed(grant: Grant) -> bool:
    return grant.verdict == "claimed"


def _unnumbered(event: Event) -> Event:
    """Leave out the attempt of a late result: it is where the stage was then, before or after one that met it."""
    return ("stage.late", event[1], None) if event[0] == "stage.late" else event


def _differences(seen: Seen, expected: Seen) -> list[str]:
    """Say where what is seen is not what is expected; what a cancelled stage still waited for means nothing."""
    faults = [
        f"{field} is {getattr(seen, field)}, not {getattr(expected, field)}"
        for field in ("status", "output", "tokens")
        if getattr(seen, field) != getattr(expected, field)
    ]
    for name, known in expected.stages.items():
        shown = 2 if known[0] == "cancelled" else 3
        if seen.stages[name][:shown] != known[:shown]:
            faults.append(f"{name} (status, attempt, open needs) is {seen.stages[name]}, not {known}")
    return faults
