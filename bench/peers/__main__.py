"""Steersman beside its peers, in one run: `python -m bench.peers`.

Each round runs every peer and Steersman's engine once, one after the other, each on servers of its own; three rounds,
then the local cloud, take ten to fifteen minutes. Only such a whole run goes to bench/results/peers.json by itself; one
with fewer peers, rounds or tasks is printed, and written where --json says.
"""

import json
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from bench.local_report import about, write
from bench.peers import steersman
from bench.peers.catalogue import PEERS
from bench.peers.contender import Run, measure
from bench.peers.environments import PeerUnavailable, interpreter
from bench.peers.process import RunFailed
from bench.peers.report import STEERSMAN, figures, told, write_table
from bench.peers.rounds import Runs, run_rounds

RESULTS = Path(__file__).parents[1] / "results" / "peers.json"
ROUNDS = 3
SINGLES = 50
STEERSMAN_TASKS = 20_000
FASTER = 10
CLOUD_TASKS = 5_000
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_progress = Console(stderr=True)


@app.command()
def main(
    peers: Annotated[str, typer.Option(help="Which peers, with commas")] = ",".join(PEERS),
    rounds: Annotated[int, typer.Option(help="How often each runs", min=1)] = ROUNDS,
    tasks: Annotated[
        int | None, typer.Option(help="Tasks of a peer's run, and ten times as many for Steersman", min=1)
    ] = None,
    singles: Annotated[int, typer.Option(help="How many tasks one after the other, before", min=1)] = SINGLES,
    ours: Annotated[bool, typer.Option("--steersman/--no-steersman", help="Run the engine too")] = True,
    cloud: Annotated[bool, typer.Option(help="Run the local cloud at the end")] = True,
    file: Annotated[
        Path | None, typer.Option("--json", help="Where the results go; needed for a shortened run")
    ] = None,
) -> None:
    """Measure the peers and Steersman beside each other, in ten to fifteen minutes."""
    # So that servers are taken down too when another program stops this one.
    signal.signal(signal.SIGTERM, _stopped)
    names = [name.strip() for name in peers.split(",")]
    if unknown := sorted(set(names) - set(PEERS)):
        sys.exit(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    contenders = _contenders(names, tasks, singles)
    if ours:
        many = FASTER * tasks if tasks else STEERSMAN_TASKS
        contenders[STEERSMAN] = partial(steersman.engine, tasks=many, singles=singles)
    runs = run_rounds(contenders, rounds, _say)
    in_cloud = _cloud(runs, FASTER * tasks if tasks else CLOUD_TASKS) if cloud else None
    shortened = tasks is not None or rounds < ROUNDS or singles < SINGLES
    whole = ours and cloud and set(names) == set(PEERS) and not shortened
    _report(runs, in_cloud, file or (RESULTS if whole else None))


def _contenders(names: list[str], tasks: int | None, singles: int) -> dict[str, Callable[[], Run]]:
    contenders: dict[str, Callable[[], Run]] = {}
    for name in names:
        kind = PEERS[name]
        _say(f"{name}: its environment")
        try:
            python = interpreter(name)
        except PeerUnavailable as exc:
            sys.exit(str(exc))
        contenders[name] = partial(measure, kind, python, tasks=tasks or kind.tasks, singles=singles)
    return contenders


def _cloud(runs: Runs, tasks: int) -> dict[str, Any] | None:
    _say("the local cloud")
    try:
        return steersman.cloud(tasks=tasks)
    except RunFailed as exc:
        runs.failed.append(f"the local cloud: {exc}")
        return None


def _report(runs: Runs, cloud: dict[str, Any] | None, file: Path | None) -> None:
    found = figures(runs, cloud)
    if any(runs.median(name) for name in runs.by_name):
        write_table(runs, cloud, Console())
    if found:
        write(found)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**about(), **told(runs, found, cloud)}, indent=2) + "\n")
        print(f"written to {file}")
    else:
        print("not the whole run, so not written; --json says where to")
    if runs.failed:
        sys.exit("\n".join(["These runs do not count:", *runs.failed]))


def _stopped(*_: Any) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def _say(what: str) -> None:
    _progress.print(f"… {what}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    app()
