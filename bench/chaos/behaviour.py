"""What the agents of a run do: by the seed, the task's number, the stage and the attempt, and nothing else.

They stand behind the registry in place of the built-in agents (the five templates, the selection of agents and all of
the engine are the real ones), because they must fail at random, say what they did, and cost little.
"""

import random
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bench.chaos.journal import Journal
from bench.chaos.templates import ITEMS, LISTS, PAYS
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused

SLOWEST_S = 0.02
_NUMBER = re.compile(r"number (\d+)")
# Out of a thousand executions: ask again, never ask again, fail with an exception that nobody foresaw.
_ERRORS, _REFUSALS, _ACCIDENTS = 60, 8, 2
_ITEMS_REFUSED, _PAYMENTS_REFUSED = 0.1, 0.6  # of fan-outs and sagas, whose ways begin with a failure


@dataclass(frozen=True)
class Behaviour:
    """What an agent does with one attempt: `answer` is ok, error, refused or raised."""

    answer: str
    seconds: float
    cost_usd: Decimal
    tokens: int
    quality: float
    facts: dict[str, Any]


def behaviour(seed: int, number: int, stage: str, attempt: int, item: int | None = None) -> Behaviour:
    """Return what the agents of the run `seed` do with this attempt at a stage of the task `number`, or its item."""
    which = stage if item is None else f"{stage}.{item}"
    rng = random.Random(f"{seed}:{number}:{which}:{attempt}")  # noqa: S311 - to be repeated, not to be secret
    draw = rng.randrange(1000)
    answer = "ok"
    for bound, name in ((_ERRORS, "error"), (_REFUSALS, "refused"), (_ACCIDENTS, "raised")):
        if 0 <= draw < bound:
            answer = name
        draw -= bound
    found = Behaviour(
        answer=answer,
        seconds=rng.random() * SLOWEST_S,
        cost_usd=Decimal(rng.randrange(400)) / 10**6,
        tokens=rng.randrange(200),
        quality=rng.randrange(100) / 100,
        facts={"needs_web": rng.random() < 0.3, "support": rng.randrange(100) / 100},
    )
    if stage == LISTS:
        found.facts["items"] = list(range(ITEMS))
    refused = _PAYMENTS_REFUSED if stage == PAYS else _ITEMS_REFUSED if item is not None else 0.0
    return replace(found, answer="refused") if rng.random() < refused else found


def question(seed: int, number: int) -> str:
    """Return what the task `number` asks; its agents know it by that."""
    return f"What became of number {number} of run {seed}?"


def number_of(job: StageJob) -> int:
    """Return the number of a job's task."""
    found = _NUMBER.search(str(job.input.get("question", "")))
    return int(found[1]) if found else 0


def _seen_items(job: StageJob) -> list[int] | None:
    """Return which items of a fan-out before it a job sees the outputs of, or None where there is none."""
    for result in job.results.values():
        if result and "completed" in result:
            return [index for index, output in enumerate(result["items"]) if output is not None]
    return None


class WitnessAgent:
    """An agent that writes down what it is asked before, and what it answers after."""

    def __init__(self, seed: int, process: str, name: str, journal: Journal) -> None:
        self._seed = seed
        self._process = process
        self._name = name
        self._journal = journal

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        self._journal.write(*(self._record(job) for job in jobs))
        acts = [
            behaviour(self._seed, number_of(job), job.stage, job.attempt, job.input.get("index"))
            for job in jobs
        ]
        time.sleep(max(act.seconds for act in acts))  # the work; kills and stalls fall into it
        raised = any(act.answer == "raised" for act in acts)
        answers = [self._answer(job, act) for job, act in zip(jobs, acts, strict=True)]
        self._journal.write(
            *(
                self._record(job, **self._told(act, answer, raised))
                for job, act, answer in zip(jobs, acts, answers, strict=True)
            )
        )
        if raised:
            raise RuntimeError("an accident, as the seed wants it")
        return answers

    def _answer(self, job: StageJob, act: Behaviour) -> StageResult | AgentError:
        if act.answer == "error":
            return AgentError("not now, as the seed wants it")
        if act.answer == "refused":
            return AgentRefused("never, as the seed wants it")
        output = {"stage": job.stage, "attempt": job.attempt, "by": self._process, **act.facts}
        return StageResult(
            output=output, model="chaos", tokens=act.tokens, cost_usd=act.cost_usd, quality=act.quality
        )

    def _told(self, act: Behaviour, answer: StageResult | AgentError, raised: bool) -> dict[str, Any]:
        if raised or not isinstance(answer, StageResult):
            return {"answer": "raised" if raised else act.answer}
        return {"answer": "ok", "output": answer.output, "cost_usd": answer.cost_usd, "tokens": answer.tokens}

    def _record(self, job: StageJob, **more: Any) -> dict[str, Any]:
        thread = threading.current_thread().name
        named: dict[str, Any] = {"task_id": str(job.task_id), "stage": job.stage, "attempt": job.attempt}
        if (seen := _seen_items(job)) is not None:
            named["seen_items"] = seen
        named |= {"process": self._process, "agent": self._name}
        return {**named, "thread": thread, "at": time.monotonic(), **more}
