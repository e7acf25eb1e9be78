"""Reads at the real handlers, in a process of its own: `python -m bench.scale.reads COUNT`.

The settings come by the environment, as Lambda gives them; the figures go to standard output as JSON.
"""

import json
import random
import sys
from typing import Any

from bench.scale import analytics
from bench.scale.requests import Context, event, listings
from bench.scale.timing import UNMEASURED, Figures, timed

SEED = 20261121
SAMPLED = 20_000


def main() -> None:
    figures = measure(int(sys.argv[1]))
    json.dump(figures, sys.stdout)


def measure(count: int) -> Figures:
    """Return p50, p99 and the slowest of `count` calls for each kind of read, in milliseconds."""
    from functions.api.tasks import handler

    rng = random.Random(SEED)  # noqa: S311 - which rows to read, not a secret
    figures: Figures = {}

    def call(path: str, query: Any = None) -> None:
        answer = handler(event(path, query), Context())
        if answer["statusCode"] != 200:
            raise SystemExit(f"GET {path} {query} answered {answer['statusCode']}: {answer.get('body')}")

    for listing in listings():
        draw = listing.draw
        figures[listing.name] = timed(lambda draw=draw: call("/v1/tasks", draw(rng)), count)  # type: ignore[misc]
    # The first read of a task finds no live view in Redis and asks PostgreSQL, the second finds it.
    ids = iter(sampled_ids(rng, 2 * (count + UNMEASURED)))
    figures["get_uncached"] = timed(lambda: call(f"/v1/tasks/{next(ids)}"), count)
    again = next(ids)
    figures["get_cached"] = timed(lambda: call(f"/v1/tasks/{again}"), count)
    return {**figures, **analytics.measure(count)}


def sampled_ids(rng: random.Random, count: int) -> list[str]:
    """Return ids of tasks from everywhere in the history."""
    from steersman.bootstrap import parts

    rows = parts().database.run(
        "SELECT id FROM task_histories TABLESAMPLE SYSTEM (5) LIMIT %(limit)s", {"limit": SAMPLED}
    )
    return [str(row["id"]) for row in rng.sample(rows, min(count, len(rows)))]


if __name__ == "__main__":
    main()
