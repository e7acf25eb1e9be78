"""Starting fresh processes and reading what each of them spent."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.cold.needs import Need
from infra.function_table import FunctionSpec

PROBE = Path(__file__).with_name("probe.py")
# Nothing of this is reached: parts are built, not used.
SURROUNDINGS = {
    "STEERSMAN_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "STEERSMAN_REDIS_URL": "redis://127.0.0.1:9/0",
    "STEERSMAN_QUEUE_PREFIX": "http://127.0.0.1:9/000000000000/steersman-local-",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
}


class StartFailed(Exception):
    """A process could not be measured; the message says why."""


@dataclass(frozen=True)
class Cost:
    """What one phase of a start costs, medians: milliseconds, memory (RSS) and modules after it."""

    cpu_ms: float
    wall_ms: float
    rss_mb: float
    modules: int

    @classmethod
    def of(cls, found: Sequence[Mapping[str, float]]) -> "Cost":
        middle = {name: median(one[name] for one in found) for name in found[0]}
        return cls(middle["cpu_ms"], middle["wall_ms"], middle["rss_mb"], int(middle["modules"]))

    def told(self) -> dict[str, float]:
        """Return the cost for the results file."""
        return {name: round(value, 1) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Start:
    """A function's start beside that of its libraries: importing, then building what the first call needs."""

    function: str
    imported: Cost
    built: Cost
    libraries_imported: Cost
    libraries_built: Cost

    @property
    def import_ratio(self) -> float:
        """CPU of the import over that of the libraries alone."""
        return self.imported.cpu_ms / self.libraries_imported.cpu_ms

    @property
    def ready_ratio(self) -> float:
        """CPU until the first call can begin over that of the libraries alone."""
        libraries = self.libraries_imported.cpu_ms + self.libraries_built.cpu_ms
        return (self.imported.cpu_ms + self.built.cpu_ms) / libraries


def measure(
    functions: Sequence[tuple[FunctionSpec, Need]], repeats: int, tick: Callable[[str], None]
) -> list[Start]:
    """Return every function's start; `tick` is called with its name before each. Rounds go over all functions
    in turn, so that a busy minute of the machine touches all of them alike.
    """
    samples: dict[tuple[str, str], list[dict[str, dict[str, float]]]] = defaultdict(list)
    for number in range(repeats + 1):
        for spec, need in functions:
            tick(spec.name)
            ours = start({"modules": [spec.handler.removesuffix(".handler")], "parts": need.parts})
            libraries = start({"modules": list(need.libraries), "libraries": need.built})
            if number:  # the first round only fills the page cache and writes bytecode
                samples[spec.name, "function"].append(ours)
                samples[spec.name, "libraries"].append(libraries)
    return [_start(spec.name, samples) for spec, _ in functions]


def _start(
    name: str, samples: Mapping[tuple[str, str], Sequence[Mapping[str, Mapping[str, float]]]]
) -> Start:
    def cost(whose: str, phase: str) -> Cost:
        return Cost.of([one[phase] for one in samples[name, whose]])

    return Start(
        function=name,
        imported=cost("function", "import"),
        built=cost("function", "build"),
        libraries_imported=cost("libraries", "import"),
        libraries_built=cost("libraries", "build"),
    )


def start(asked: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Start one process that does what is asked and return what it spent, by phase. Raises StartFailed."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STEERSMAN_", "AWS_", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-P", str(PROBE), json.dumps(asked)],
        env=clean | SURROUNDINGS,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StartFailed(f"{', '.join(asked['modules'])} cannot be started:\n{done.stderr}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found
