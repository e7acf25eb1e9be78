"""Random work of every kind (fan-outs, nested tasks, approvals, waits, stages that undo), and what must come of it.

What is promised is written here as plainly as can be, from what was drawn alone: it shares nothing with the planner
and asks nothing of who carries the work along.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

Kind = Literal["agent", "each", "task", "approval", "wait"]
KINDS: tuple[Kind, ...] = ("agent", "agent", "each", "task", "approval", "wait")


@dataclass(frozen=True)
class Part:
    """One stage: `good` says whether its agents (or who is asked) say yes; `undone` whether another stage undoes it.

    Of a fan-out `items` says it for each item, of which `tolerate` may fail and `at_work` are at work at a time; of a
    nested task `work` is what is done.
    """

    name: str
    kind: Kind
    needs: tuple[str, ...]
    good: bool = True
    skips: bool = False
    undone: bool = False
    items: tuple[bool, ...] = ()
    tolerate: int = 0
    at_work: int = 1
    work: "Work | None" = None

    @property
    def undo(self) -> str:
        return f"no_{self.name}"


@dataclass(frozen=True)
class Work:
    """A template by its name, with the parts that it is made of; the last one gives the output."""

    name: str
    parts: tuple[Part, ...]

    @property
    def by_name(self) -> Mapping[str, Part]:
        return {part.name: part for part in self.parts}

    def all(self) -> list["Work"]:
        """Return this work and all that it starts, the innermost first."""
        inner = [work for part in self.parts if part.work for work in part.work.all()]
        return [*inner, self]

    def document(self) -> dict[str, Any]:
        """Return the template."""
        stages = [_stage(part) for part in self.parts]
        stages += [_agent_stage(part.undo) for part in self.parts if part.undone]
        return {"name": self.name, "output": self.parts[-1].name, "stages": stages}


def says_yes(work: Work, stage: str, task_input: Mapping[str, Any]) -> bool:
    """Say what the agents of a stage answer to a job with this input."""
    part = work.by_name.get(stage)
    if part is None:
        return True  # it undoes
    return part.items[task_input["index"]] if part.kind == "each" else part.good


def succeeds(part: Part) -> bool:
    """Say whether a part completes when nothing stops it."""
    if part.kind == "each":
        return part.items.count(False) <= part.tolerate
    if part.work is not None:
        return completes(part.work)
    return part.good


def completes(work: Work) -> bool:
    return all(succeeds(part) or part.skips for part in work.parts)


def faults(
    work: Work, status: str, stages: Sequence[Mapping[str, Any]], error: Mapping[str, Any] | None
) -> list[str]:
    """Return what is wrong with a task of this work that has ended; `stages` have name, status, finished_at."""
    found = {stage["name"]: stage for stage in stages}
    open_ones = [name for name, stage in found.items() if stage["status"] not in _ENDS]
    wrong = [f"{name} is {found[name]['status']}" for name in open_ones]
    if status == "cancelled":
        return wrong
    if status != ("completed" if completes(work) else "failed"):
        return [*wrong, f"it is {status}, error {error}"]
    for part in work.parts:
        wrong += _part_faults(work, part, found, status)
    if status == "failed":
        wrong += _undo_faults(work, found)
        if error and error.get("stage") and succeeds(work.by_name[error["stage"]]):
            wrong.append(f"it failed for {error['stage']}, which succeeds")
    return wrong


_ENDS = {"completed", "failed", "skipped", "cancelled"}


def _part_faults(work: Work, part: Part, found: Mapping[str, Mapping[str, Any]], status: str) -> list[str]:
    stage = found[part.name]["status"]
    if status == "failed" and stage == "cancelled":
        return []
    ended = "completed" if succeeds(part) else "skipped" if part.skips else "failed"
    wrong = [f"{part.name} is {stage}, not {ended}"] if stage != ended else []
    if any(found[need]["status"] not in {"completed", "skipped"} for need in part.needs):
        wrong.append(f"{part.name} is {stage}, though it needs what did not end well")
    return wrong


def _undo_faults(work: Work, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    due = [part for part in work.parts if part.undone and found[part.name]["status"] == "completed"]
    there = {part.undo for part in work.parts if part.undo in found}
    if there != {part.undo for part in due}:
        return [f"undone by {sorted(there)}, due are {sorted(part.undo for part in due)}"]
    ran = sorted(due, key=lambda part: found[part.undo]["finished_at"])
    ends = [found[part.name]["finished_at"] for part in ran]
    return (
        [] if ends == sorted(ends, reverse=True) else [f"undone in the order {[part.undo for part in ran]}"]
    )


def _stage(part: Part) -> dict[str, Any]:
    stage = _agent_stage(part.name)
    if part.kind != "agent" and part.kind != "each":
        stage = {"name": part.name, "kind": part.kind}
    if part.kind == "approval":
        stage["approval"] = {"ask": "Go on?"}
    elif part.kind == "wait":
        stage["wait"] = {"for_s": 100}
    elif part.work is not None:
        stage["task"] = {"template": part.work.name}
    elif part.kind == "each":
        items = list(range(len(part.items)))
        stage["for_each"] = {
            "items": f"`{items}`",
            "concurrency": part.at_work,
            "tolerate": part.tolerate,
        }
    stage |= {"needs": list(part.needs), "on_error": "skip" if part.skips else "fail"}
    return {**stage, "undo": part.undo} if part.undone else stage


def _agent_stage(name: str) -> dict[str, Any]:
    retry = {"max_attempts": 2, "backoff_s": 0.000001}
    return {"name": name, "queue": "executor", "capability": "test.do", "retry": retry}


def build(seed: int, depth: int, name: str = "work") -> Work:
    """Return the work of a seed, with nested tasks down to `depth`."""
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    names = [f"s{number}" for number in range(rng.randint(1, 5))]
    return Work(name, tuple(_part(rng, name, place, names, depth) for place in range(len(names))))


def _part(rng: random.Random, work: str, place: int, names: list[str], depth: int) -> Part:
    kind = rng.choice(KINDS)
    kind = "agent" if kind == "task" and not depth else kind
    needs = tuple(sorted(rng.sample(names[:place], min(place, rng.randint(0, 2)))))
    good = kind == "wait" or rng.random() < 0.85
    return Part(
        name=names[place],
        kind=kind,
        needs=needs,
        good=good,
        skips=rng.random() < 0.3,
        undone=rng.random() < 0.4,
        items=tuple(rng.random() < 0.85 for _ in range(rng.randint(0, 7))) if kind == "each" else (),
        tolerate=rng.randint(0, 2),
        at_work=rng.randint(1, 4),
        work=build(rng.randrange(10**6), depth - 1, f"{work}_{names[place]}") if kind == "task" else None,
    )


def works() -> st.SearchStrategy[Work]:
    """Draw work with nested tasks two deep at most."""
    return st.builds(build, st.integers(0, 2**32), st.integers(0, 2))
