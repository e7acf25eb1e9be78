"""The ratios, for machines and for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.local_report import Figure
from bench.peers.catalogue import PEERS
from bench.peers.contender import Run
from bench.peers.rounds import Runs

STEERSMAN = "steersman"
QUIET = 0.1


def figures(runs: Runs, cloud: Mapping[str, Any] | None) -> list[Figure]:
    """Return the ratios that can be told from what ran, with the aims of each."""
    medians = {name: run for name in runs.by_name if (run := runs.median(name))}
    ours = medians.pop(STEERSMAN, None)
    durable = {name: run for name, run in medians.items() if PEERS[name].durable}
    best = max((run.tasks_per_s for run in durable.values()), default=None)
    found = []
    if ours and best:
        found.append(Figure("throughput_vs_best_durable_peer", ours.tasks_per_s / best, "x", at_least=10))
        least = min(run.cpu_s["total"] for run in durable.values())
        found.append(Figure("cpu_of_best_durable_peer_vs_ours", least / ours.cpu_s["total"], "x"))
    if ours and (dramatiq := medians.get("dramatiq")):
        ratio = ours.tasks_per_s / dramatiq.tasks_per_s
        found.append(Figure("throughput_vs_dramatiq", ratio, "x", at_least=4))
    if ours and medians:
        fastest = min(run.p50_ms for run in medians.values())
        found.append(Figure("latency_of_fastest_peer_vs_ours", fastest / ours.p50_ms, "x", at_least=1))
        found.append(Figure("cpu", ours.cpu_s["total"], "s/1,000 tasks", at_most=3))
    if cloud and best:
        ratio = cloud["tasks_per_s"] / best
        found.append(Figure("cloud_throughput_vs_best_durable_peer", ratio, "x", at_least=1))
    return found


def told(runs: Runs, found: Sequence[Figure], cloud: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the results for the file."""
    contenders = {}
    for name, by_round in runs.by_name.items():
        middle = runs.median(name)
        contenders[name] = {
            **(PEERS[name].about() if name in PEERS else {"title": "Steersman", "durable": True}),
            "median": middle.told() if middle else None,
            "runs": [run.told() if run else None for run in by_round],
        }
    return {
        "contenders": contenders,
        "figures": {figure.name: figure.told() for figure in found},
        "by_round": _by_round(runs),
        "cloud": cloud,
        "failed": runs.failed,
    }


def _by_round(runs: Runs) -> list[dict[str, Any]]:
    """Return how many times a peer's throughput ours was in each round: the spread of the ratios."""
    rounds = []
    for number, ours in enumerate(runs.by_name.get(STEERSMAN, [])):
        peers = {name: by_round[number] for name, by_round in runs.by_name.items() if name != STEERSMAN}
        rounds.append(
            {
                name: round(ours.tasks_per_s / run.tasks_per_s, 2)
                for name, run in peers.items()
                if ours and run
            }
        )
    return rounds


def write_table(runs: Runs, cloud: Mapping[str, Any] | None, console: Console) -> None:
    """Print a row for each contender, the fastest first."""
    table = Table(box=None, header_style="bold")
    table.add_column("medians")
    for column in ("tasks/s", "ours is", "p50 ms", "p99 ms", "CPU s/1,000", "others' CPU"):
        table.add_column(column, justify="right", no_wrap=True)
    medians = {name: run for name in runs.by_name if (run := runs.median(name))}
    ours = medians.get(STEERSMAN)
    for name, run in sorted(medians.items(), key=lambda item: -item[1].tasks_per_s):
        table.add_row(*_row(name, run, ours))
    if cloud:
        latency, cpu = cloud["latency"]["p50_ms"], cloud["cpu_s_per_1000_tasks"]["all"]
        table.add_row("Local cloud", f"{cloud['tasks_per_s']:,.0f}", "", f"{latency:.1f}", "", f"{cpu:.1f}")
    console.print(table)
    if any(not PEERS[name].durable for name in medians if name in PEERS):
        console.print("* keeps no state of the DAG: a crash between two stages can lose or repeat work")
    if any(run.others > QUIET for run in medians.values()):
        console.print(
            "The machine was not quiet: other programs took part of it. Run again when nothing else runs."
        )


def _row(name: str, run: Run, ours: Run | None) -> list[str]:
    kind = PEERS.get(name)
    title = "Steersman" if kind is None else kind.title if kind.durable else f"{kind.title} *"
    times = f"{ours.tasks_per_s / run.tasks_per_s:.1f}x" if ours and kind else ""
    return [
        title,
        f"{run.tasks_per_s:,.0f}",
        times,
        f"{run.p50_ms:.1f}",
        f"{run.p99_ms:.1f}",
        f"{run.cpu_s['total']:.1f}",
        f"{run.others:.0%}",
    ]
