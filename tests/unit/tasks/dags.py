"""Random DAGs as plain data, in the shapes that work has: chains, fans, layers, diamonds, and no shape at all."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

OnError = Literal["fail", "skip", "fallback"]
Condition = tuple[Literal["goes", "stays", "input", "broken"], str | None]
Needs = list[list[int]]  # for each stage the earlier stages that it needs
LARGEST = 60
ATTEMPTS = [1, 2, 3, 3]


@dataclass(frozen=True)
class Node:
    """One stage: `condition` is what its `when` asks of the input, or of the stage that it names."""

    name: str
    needs: tuple[str, ...]
    on_error: OnError
    max_attempts: int
    condition: Condition | None

    @property
    def fallback(self) -> dict[str, Any]:
        return {"stage": self.name, "go": True, "fallback": True}

    def document(self) -> dict[str, Any]:
        """Return the stage as a template says it."""
        document: dict[str, Any] = {
            "name": self.name,
            "queue": "executor",
            "capability": "test.do",
            "needs": list(self.needs),
            "on_error": self.on_error,
            "retry": {"max_attempts": self.max_attempts, "backoff_s": 0.000001},
        }
        if self.on_error == "fallback":
            document["fallback"] = self.fallback
        if self.condition:
            document["when"] = _expression(self.condition)
        return document


@dataclass(frozen=True)
class Dag:
    """A DAG, its stages in the order in which a template lists them, with the input of its one task."""

    nodes: tuple[Node, ...]
    output: str
    flag: bool

    @property
    def input(self) -> dict[str, Any]:
        return {"flag": self.flag}

    def document(self) -> dict[str, Any]:
        """Return the template."""
        stages = [node.document() for node in self.nodes]
        return {"name": "drawn", "output": self.output, "stages": stages}


def _expression(condition: Condition) -> str:
    kind, stage = condition
    return {
        "goes": f"results.{stage}.go",
        "stays": f"!(results.{stage}.go)",
        "input": "input.flag",
        "broken": f"length(results.{stage}.go) > `0`",  # neither true, false nor null has a length
    }[kind]


def _chain(size: int, _: random.Random) -> Needs:
    return [[position - 1] if position else [] for position in range(size)]


def _fan(size: int, _: random.Random) -> Needs:
    """One stage, then all others side by side, then one that needs them all."""
    middle = list(range(1, size - 1))
    return [[], *([0] for _ in middle), middle or [0]][:size]


def _layers(size: int, rng: random.Random) -> Needs:
    """Each layer needs one or all of the layer before: diamonds, one after the other."""
    needs: Needs = []
    before: list[int] = []
    while len(needs) < size:
        layer = range(len(needs), min(size, len(needs) + rng.randint(1, 8)))
        needs += [rng.sample(before, rng.choice([1, len(before)])) if before else [] for _ in layer]
        before = list(layer)
    return needs


def _loose(size: int, rng: random.Random) -> Needs:
    return [rng.sample(range(position), min(position, rng.randint(0, 4))) for position in range(size)]


def _dense(size: int, rng: random.Random) -> Needs:
    return [rng.sample(range(position), rng.randint(0, position)) for position in range(size)]


SHAPES: dict[str, Callable[[int, random.Random], Needs]] = {
    "chain": _chain,
    "fan": _fan,
    "layers": _layers,
    "loose": _loose,
    "dense": _dense,
}


def build(shape: str, size: int, fragile: bool, seed: int) -> Dag:
    """Return the DAG of these figures; in a `fragile` one half of the stages fail their task when they fail."""
    rng = random.Random(seed)  # noqa: S311 - a drawn seed
    names = [f"s{number}" for number in rng.sample(range(size), size)]
    nodes: list[Node] = []
    ancestors: dict[str, set[str]] = {}
    for name, positions in zip(names, SHAPES[shape](size, rng), strict=True):
        needs = tuple(names[position] for position in positions)
        ancestors[name] = set(needs).union(*(ancestors[need] for need in needs))
        ways: list[OnError] = ["fail", "fail", "skip", "fallback"] if fragile else ["skip", "fallback"]
        condition = _condition(sorted(ancestors[name]), rng)
        nodes.append(Node(name, needs, rng.choice(ways), rng.choice(ATTEMPTS), condition))
    rng.shuffle(nodes)
    return Dag(tuple(nodes), rng.choice(names), rng.random() < 0.7)


def _condition(readable: list[str], rng: random.Random) -> Condition | None:
    if rng.random() < 0.7:
        return None
    if not readable or rng.random() < 0.2:
        return ("input", None)
    kind: Literal["goes", "stays", "broken"] = rng.choices(["goes", "stays", "broken"], [6, 3, 1])[0]  # type: ignore[arg-type]
    return (kind, rng.choice(readable))


def dags(largest: int = LARGEST) -> st.SearchStrategy[Dag]:
    """Draw DAGs of up to `largest` stages, small ones as often as large ones."""
    sizes = st.one_of(st.integers(1, min(8, largest)), st.integers(1, largest))
    seeds = st.integers(0, 2**32)
    return st.builds(build, st.sampled_from(sorted(SHAPES)), sizes, st.booleans(), seeds)
