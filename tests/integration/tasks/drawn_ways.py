"""Templates of every kind of stage, drawn from a seed, and what their agents answer; the same seed says the same."""

import random
from decimal import Decimal
from typing import Any

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused
from tests.unit.tasks.works import Kind, Part, Work, build

WAIT_S = 100  # that stages of kind `wait` wait, and that people have to answer where they have not for ever
DOOMED = "doomed"  # the stage whose agent always says no
COST = Decimal("0.01")  # of what an agent does
Document = dict[str, Any]


def documents(seed: int, name: str) -> list[Document]:
    """Return the templates of a task, those that it starts before it; the last is the task's own."""
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    work = _doomed(rng, name) if rng.random() < 0.3 else build(seed, 2, name)
    found = [one.document() for one in work.all()]
    for document in found:
        undoing = {stage["undo"] for stage in document["stages"] if "undo" in stage}
        for stage in document["stages"]:
            if stage["name"] not in undoing | {DOOMED}:
                _vary(stage, rng)
    return [{**document, "deadline_s": 864_000} for document in found]


def _doomed(rng: random.Random, name: str) -> Work:
    """Return work of which much completes before its last stage fails, whatever happens: all of it is to be undone."""
    parts: list[Part] = []
    kinds: tuple[Kind, ...] = ("agent", "agent", "each", "wait")
    for number in range(rng.randint(2, 5)):
        kind = rng.choice(kinds)
        needs = tuple(part.name for part in parts if rng.random() < 0.6)
        items = (True,) * rng.randint(1, 3) if kind == "each" else ()
        skips = rng.random() < 0.3
        parts.append(Part(f"s{number}", kind, needs, skips=skips, undone=True, items=items, tolerate=1))
    return Work(name, (*parts, Part(DOOMED, "agent", tuple(part.name for part in parts))))


def _vary(stage: Document, rng: random.Random) -> None:
    """Draw what the plain work does not have: conditions, fallbacks, policies, limits of time, rules of retries."""
    if stage["needs"] and rng.random() < 0.3:
        need = rng.choice(stage["needs"])
        stage["when"] = rng.choice([f"results.{need}", f"!(results.{need})"])
    if rng.random() < 0.15:
        stage |= {"on_error": "fallback", "fallback": {"stage": "instead"}}
    if stage.get("kind") == "task" and rng.random() < 0.5:
        items = list(range(rng.randint(0, 4)))
        stage["for_each"] = {"items": f"`{items}`", "concurrency": rng.randint(1, 3)}
        stage["for_each"]["tolerate"] = rng.randint(0, 1)
    if "for_each" in stage and rng.random() < 0.5:
        stage["for_each"]["concurrency"] = 1
    if "for_each" in stage and rng.random() < 0.4:
        del stage["for_each"]["tolerate"]
        stage["for_each"]["at_least"] = rng.randint(0, len(items_of(stage)) + 1)
    if stage.get("kind") == "approval":
        stage["approval"]["continue_on_reject"] = rng.random() < 0.3
        if rng.random() < 0.5:
            stage["approval"]["timeout_s"] = WAIT_S
            stage["approval"] |= rng.choice([{}, {"default": {"from": "nobody"}}])
    elif stage.get("kind") != "wait":
        stage["retry"] = {"max_attempts": rng.randint(1, 4), "backoff_s": 0.000001}


def items_of(stage: Document) -> list[int]:
    """Return what a fan-out goes over."""
    given: str = stage["for_each"]["items"]
    return [int(number) for number in given.strip("`[]").split(",") if number]


def tolerated(stage: Document) -> int:
    """Say how many of the tasks of a stage may fail."""
    each = stage.get("for_each", {})
    if "at_least" in each:
        return len(items_of(stage)) - int(each["at_least"])
    return int(each.get("tolerate", 0))


def all_after(document: Document, chosen: set[str]) -> set[str]:
    """Return these stages and all that come after them."""
    found = set(chosen)
    for _ in document["stages"]:
        found |= {stage["name"] for stage in document["stages"] if found & set(stage.get("needs", ()))}
    return found


def answer(seed: int, place: str, job: StageJob) -> StageResult | AgentError:
    """Return what an agent says to an attempt at a stage of the task at a place."""
    rng = random.Random(f"{seed} {place} {job.stage} {job.attempt}")  # noqa: S311 - a drawn seed
    said = rng.random()
    if said < 0.06 or job.stage == DOOMED:
        return AgentRefused("no")
    if said < 0.25:
        return AgentError("not now")
    output = {} if said > 0.95 else {"stage": job.stage, "at": place, "attempt": job.attempt}
    return StageResult(output, cost_usd=COST)
