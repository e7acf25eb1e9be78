"""The workers of the stage queues in memory, with the state that PostgreSQL holds of one task.

They decide as the planner does, and hold what every orchestrator must keep: no stage begins before its needs have
ended, none twice, and a message names its own stage's queue.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steersman.tasks.asl.words import Failure, Move
from steersman.tasks.planner import Decision, Plan
from steersman.tasks.words import StageStatus
from tests.unit.tasks.asl.clock import StateFailed
from tests.unit.tasks.carrier import Answer
from tests.unit.tasks.reference import decide

PREFIX = "mem://"
GIVEN = {"task_id": "t1", "project_id": "p1", "lane": "standard"}
ENDS = {Move.RUN, Move.JOIN, Move.ASK, Move.ESCALATE, Move.EXPIRE, Move.END, Move.GIVE_UP}
_NAMES = {"timeout": Failure.TIMEOUT, "refuse": Failure.PERMANENT}


def always_goes(_stage: str, _attempt: int) -> Answer:
    return "go"


def one_second(_stage: str, _move: str, _number: int) -> float:
    return 1.0


@dataclass
class Workers:
    """`takes` says how many seconds the nth message of a stage and move takes (inf: nobody answers it)."""

    plan: Plan
    answer: Callable[[str, int], Answer] = always_goes
    takes: Callable[[str, str, int], float] = one_second
    input: Mapping[str, Any] = field(default_factory=dict)
    items: Sequence[int] = ()
    failing_items: frozenset[int] = frozenset()
    status: dict[str, StageStatus] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    messages: list[tuple[str, str]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    items_at_work: int = 0
    most_items_at_work: int = 0
    undone: list[str] = field(default_factory=list)

    def beginning(self) -> dict[str, Any]:
        """Return the input of an execution: with what is skipped before anything ran."""
        when: dict[str, bool] = {}
        for stage in self.plan.template.planned:
            if not stage.needs:
                self._judge(stage.name, 0.0, when)
        return {**GIVEN, "when": when}

    def begin(self, queue: str, body: Mapping[str, Any], now: float) -> float:
        """Take a message; return how long it takes."""
        move, stage = self._read(queue, body)
        self.messages.append((stage, move))
        if move in {Move.RUN, Move.OPEN, Move.ASK, Move.BEGIN} and stage not in self.plan.template.undoes:
            assert stage not in self.ended, f"{stage} is asked for again"
            missing = [need for need in self.plan.stage(stage).needs if need not in self.ended]
            assert not missing, f"{stage} begins before {missing}"
            self.began.setdefault(stage, now)
        if move is Move.ITEM:
            self.items_at_work += 1
            self.most_items_at_work = max(self.most_items_at_work, self.items_at_work)
        return self.takes(stage, move, self.messages.count((stage, move)))

    def finish(self, body: Mapping[str, Any], now: float) -> Any:
        """Answer a message, or raise StateFailed with one of the names of `Failure`."""
        stage, move = body["jobs"][0][1], Move(body["move"])
        match move:
            case Move.OPEN:
                return {"items": list(self.items)}
            case Move.BEGIN:
                return {"until": f"T+{now + (self.plan.stage(stage).wait.for_s or 0)}"}  # type: ignore[union-attr]
            case Move.ITEM:
                self.items_at_work -= 1
                if body["item"] in self.failing_items:
                    raise StateFailed(Failure.ITEM_FAILED)
                return {}
            case Move.UNDO:
                template = self.plan.template
                done = {name for name, status in self.status.items() if status is StageStatus.COMPLETED}
                return {"undo": {name: True for name, undone in template.undoes.items() if undone in done}}
        return self._stage_ends(stage, move, now)

    def _read(self, queue: str, body: Mapping[str, Any]) -> tuple[Move, str]:
        ((task_id, name, attempt),) = body["jobs"]
        stage, move = self.plan.stage(name), Move(body["move"])
        assert queue == f"{PREFIX}{stage.queue}-{GIVEN['lane']}"
        assert task_id == GIVEN["task_id"]
        assert attempt >= 1
        assert body["token"] not in self.tokens, "each attempt has a token of its own"
        self.tokens.add(body["token"])
        assert ("item" in body) == (move is Move.ITEM)
        return move, name

    def _stage_ends(self, name: str, move: Move, now: float) -> dict[str, Any]:
        if name in self.plan.template.undoes:
            return self._undo(name)
        visible = self.plan.visible(name, self.results)
        if move is Move.RUN:
            self.attempts[name] += 1
            attempt = self.attempts[name]
            answer = self.answer(name, attempt)
            decision = decide(self.plan, name, attempt, self.input, visible, answer, random.Random(7))  # noqa: S311
            if decision.status is StageStatus.READY:
                raise StateFailed(_NAMES.get(answer, Failure.FAILED))
        elif move is Move.GIVE_UP:
            decision = self.plan.skipped(name)
        else:
            decision = self.plan.completed(name, {"stage": name, "go": True})
        return self._carry_out(name, decision, now)

    def _undo(self, name: str) -> dict[str, Any]:
        self.undone.append(name)
        if self.answer(name, 1) != "go":
            raise StateFailed(Failure.FINAL)
        return {"status": "completed", "when": {}}

    def _carry_out(self, name: str, decision: Decision, now: float) -> dict[str, Any]:
        self.status[name] = decision.status
        if decision.ends_badly:
            raise StateFailed(Failure.FINAL)
        when: dict[str, bool] = {}
        self._free(name, decision, now, when)
        return {"status": str(decision.status), "when": when}

    def _free(self, name: str, decision: Decision, now: float, when: dict[str, bool]) -> None:
        self.status[name], self.results[name], self.ended[name] = decision.status, decision.output, now
        for dependant in decision.releases:
            if all(need in self.ended for need in self.plan.stage(dependant).needs):
                self._judge(dependant, now, when)

    def _judge(self, name: str, now: float, when: dict[str, bool]) -> None:
        """Evaluate the `when` of a stage whose needs have ended; one that is not wanted ends now, and frees others."""
        if self.plan.stage(name).when is None:
            return
        try:
            when[name] = self.plan.wanted(name, self.input, self.plan.visible(name, self.results))
        except Exception:  # noqa: BLE001 - it fails when it runs, by its policy
            return
        if not when[name]:
            self._free(name, self.plan.skipped(name), now, when)
