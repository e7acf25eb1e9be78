"""Kill, duplicate, delay and restart everything under load, and look for what was lost: `python -m bench.chaos`.

Prints its seed; `--seed N` repeats what is done to whom and when (the moments at which processes meet are the
machine's own). Writes bench/results/chaos.json and ends with 1 when the checker found anything. About ten minutes;
`--tasks 200` is a run of a minute.
"""

import argparse
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.chaos import report, schedule
from bench.chaos.run import ROOT, carry_out
from bench.chaos.storm import Say

RESULTS = ROOT / "bench" / "results" / "chaos.json"
TASKS_PER_S = 12.0
SAY_EVERY_S = 10.0  # where nobody looks at a moving bar


def main() -> None:
    """Do a run and end with 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--tasks", type=int, default=5000, help="how many tasks are submitted (5000)")
    parser.add_argument("--minutes", type=float, help="how long the storm lasts (12 tasks a second)")
    parser.add_argument("--seed", type=int, help="repeat the run of this seed")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the counts are written")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder even without findings")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else secrets.randbelow(10**6)
    storm_s = given.minutes * 60 if given.minutes else max(20.0, given.tasks / TASKS_PER_S)
    print(f"seed {seed}: {given.tasks} tasks, a storm of {storm_s:.0f} s", file=sys.stderr)
    folder = Path(tempfile.mkdtemp(prefix="steersman-chaos-"))
    folder.chmod(0o755)  # the database server runs under an account of its own
    with _telling(given.tasks) as say:
        result = carry_out(folder, schedule.make(seed, given.tasks, storm_s), say)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(result, indent=2, default=str) + "\n")
    report.show(result)
    if result["findings"] or given.keep:
        again = f"--seed {seed} --tasks {given.tasks} --minutes {storm_s / 60:g}"
        print(f"journals and logs of the run: {folder}; repeat it with {again}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if result["findings"] else 0)


@contextmanager
def _telling(tasks: int) -> Iterator[Say]:
    """Give what tells people on stderr how far the run is: a bar on a terminal, else a line now and then."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    said_at = 0.0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("starting", total=tasks)

        def say(words: str, done: int) -> None:
            nonlocal said_at
            progress.update(bar, description=words, completed=done)
            if not console.is_terminal and time.monotonic() >= said_at + SAY_EVERY_S:
                said_at = time.monotonic()
                console.print(f"{words}, {done} of {tasks} tasks ended", highlight=False)

        yield say


if __name__ == "__main__":
    main()
