"""Rounds: every contender once in each, in an order that turns, so that none always runs first or after another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.peers.contender import Run
from bench.peers.process import RunFailed

Say = Callable[[str], None]


@dataclass
class Runs:
    """What counts of each contender, by round (None where its run failed), and why runs failed."""

    by_name: dict[str, list[Run | None]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def median(self, name: str) -> Run | None:
        """Return the medians of a contender's figures, each for itself; None where no run of it counts."""
        runs = [run for run in self.by_name[name] if run]
        if not runs:
            return None
        return Run(
            tasks=runs[0].tasks,
            tasks_per_s=median(run.tasks_per_s for run in runs),
            p50_ms=median(run.p50_ms for run in runs),
            p99_ms=median(run.p99_ms for run in runs),
            cpu_s={part: median(run.cpu_s[part] for run in runs) for part in runs[0].cpu_s},
            others=max(run.others for run in runs),
        )


def order(names: Sequence[str], number: int) -> list[str]:
    """Return the names, begun one later in each round."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


def run_rounds(contenders: Mapping[str, Callable[[], Run]], rounds: int, say: Say) -> Runs:
    """Run every contender in each round; a run that fails is told and does not count."""
    runs = Runs({name: [None] * rounds for name in contenders})
    for number in range(rounds):
        for name in order(list(contenders), number):
            try:
                run = contenders[name]()
            except RunFailed as exc:
                runs.failed.append(f"{name}, round {number + 1}: {exc}")
                say(f"round {number + 1}: {name} does not count: {str(exc).splitlines()[0]}")
                continue
            runs.by_name[name][number] = run
            say(
                f"round {number + 1}: {name} {run.tasks_per_s:,.0f} tasks/s, {run.p50_ms:.1f} ms, "
                f"{run.cpu_s['total']:.2f} CPU s/1,000 tasks, {run.others:.0%} of the machine was others'"
            )
    return runs
