"""What each function's start costs, beside its unavoidable libraries alone: `python -m bench.cold`.

Starts two fresh processes for each function again and again (about three minutes) and writes bench/results/cold.json.
CPU time is compared, for wall time is the machine's business; connecting to PostgreSQL and Redis is not in it.
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench.cold.needs import Need, need_of
from bench.cold.report import results, write
from bench.cold.starts import Start, StartFailed, measure
from infra.function_table import FUNCTIONS, FunctionSpec

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "cold.json"
REPEATS = 9


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=__doc__)
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help="processes of each kind (default: %(default)s)"
    )
    repeats = max(1, parser.parse_args().repeats)
    pairs = [(spec, need_of(spec)) for spec in FUNCTIONS]
    try:
        starts = _measured(pairs, repeats)
    except StartFailed as exc:
        sys.exit(f"{exc}\nMend what it says; `make venv` renews the environment.")
    document = results(starts, [need for _, need in pairs], repeats)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    write(starts)
    print(f"written to {RESULTS.relative_to(ROOT)}")


def _measured(pairs: list[tuple[FunctionSpec, Need]], repeats: int) -> list[Start]:
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("starting", total=len(pairs) * (repeats + 1))

        def tick(name: str) -> None:
            progress.update(bar, advance=1, description=name)

        return measure(pairs, repeats, tick)


if __name__ == "__main__":
    main()
