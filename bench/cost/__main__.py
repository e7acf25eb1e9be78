"""What Steersman costs on AWS, from counted calls and public prices: `python -m bench.cost`, after `make bench`.

Runs single tasks through the engine to count what each takes alone, synthesises the templates of dev and prod (a
minute in all), and writes bench/results/cost.json.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.cost import report
from bench.cost.assumptions import Assumptions
from bench.cost.measured import ALONE, FILE, NothingMeasured, Work, read, work_of
from bench.cost.million import awake_hour, bill
from bench.cost.month import Month, UnknownResource
from bench.cost.prices import Prices
from bench.cost.remedies import savings
from bench.cost.rivals import rivals
from bench.cost.templates import SynthesisFailed, synthesise
from bench.engine.children import BenchFailed
from bench.engine.plan import Plan
from bench.engine.run import run
from bench.local_report import about
from steersman.local.errors import LocalCloudError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "cost.json"
ENVIRONMENTS = ("dev", "prod")
ALONE_TASKS = 300
ALONE_PER_S = 10.0  # so few that a stage function gets one job at a time
progress = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    parser.add_argument("--counted", type=Path, default=FILE, help="the results of bench.engine")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the results go")
    asked = parser.parse_args()
    document = priced(asked.counted)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(document, indent=2) + "\n")
    report.write(document, Console())
    print(f"written to {asked.json}")


def priced(counted: Path) -> dict[str, Any]:
    """Return the results document, from the counts in the file `counted`; ends the program if it cannot be had."""
    prices, given = Prices.read(), Assumptions()
    try:
        works, counted_on = read(counted)
        works |= {ALONE: _alone()}
        months = {name: _month(name, prices, given) for name in ENVIRONMENTS}
    except (NothingMeasured, BenchFailed, LocalCloudError, SynthesisFailed, UnknownResource) as exc:
        sys.exit(str(exc))
    bills = {name: bill(work, prices, given) for name, work in works.items()}
    return {
        **about(),
        "counted_on": counted_on,
        **report.about_prices(prices, given),
        "million": report.million(bills, works, awake_hour(prices, given), rivals(prices, given)),
        "idle_month": months,
    }


def _alone() -> Work:
    say(f"counting what {ALONE_TASKS} single tasks take")
    plan = Plan(tasks=ALONE_TASKS, batch=1, messages=1, singles=0, per_s=ALONE_PER_S)
    return work_of("submitted one by one, each stage run by itself", run(plan, say))


def _month(environment: str, prices: Prices, given: Assumptions) -> dict[str, Any]:
    say(f"the templates of {environment}")
    resources = synthesise(environment)
    items = Month(resources, prices, given).items()
    return report.month(environment, items, savings(resources, prices, given))


def say(what: str) -> None:
    progress.print(f"[dim]… {what}[/]", highlight=False)


if __name__ == "__main__":
    main()
