"""A flood of one project beside single tasks of another: how long those take, with fairness and without.

Two workers serve the urgent and standard lanes and one the bulk lane, for in AWS each queue has pollers and calls of
its own. What SQS itself does for fairness, by the project that every message names, the stand-in for SQS does not: in
AWS the single tasks fare better than here.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import redis

from bench.engine.bed import Bed, Say
from bench.engine.children import BenchFailed, Child, start_submitter, start_worker
from bench.engine.servers import FLOOD_TASKS, Servers, queue_names, servers
from bench.engine.workload import research_dag
from bench.sqs.figures import depth
from steersman.db.connection import Database
from steersman.ids import new_id
from steersman.settings import Settings
from steersman.tasks import templates
from steersman.tasks.words import Lane

TASKS = 20_000
BATCH = 100
EVERY_S = 0.25  # between single tasks
SINGLES_ASKED_FOR = 4
MESSAGES = 10
WARM_TASKS = 200
QUIET = "quiet"  # the project of the single tasks
STALLED_S = 120.0
LANES = tuple(map(str, Lane))
SERVED = ((Lane.URGENT, Lane.STANDARD), (Lane.URGENT, Lane.STANDARD), (Lane.BULK,))  # by each worker


def measure(say: Say, *, tasks: int | None = None) -> dict[str, Any]:
    """Measure with fairness and without it, on servers of their own; `tasks` is the size of the flood.

    Of each: seconds until the flood was done, how many single tasks were submitted meanwhile, and the milliseconds
    from their acceptance to their end.
    """
    size = tasks or TASKS
    kept = int(Settings.model_fields["flood_tasks"].default)
    return {
        "tasks": size,
        "every_s": EVERY_S,
        "workers": ["+".join(lanes) for lanes in SERVED],
        "lanes_kept_by": kept,
        "with_fairness": _run(size, kept, say),
        "without_fairness": _run(size, FLOOD_TASKS, say),
    }


def _run(size: int, flood_tasks: int, say: Say) -> dict[str, Any]:
    settings = {"STEERSMAN_FLOOD_TASKS": str(flood_tasks)}
    with ExitStack() as alive:
        say("starting the servers and the workers")
        made = alive.enter_context(servers())
        _add_project(made)
        starting = [
            *(
                start_worker(made, f"worker_{number}", messages=MESSAGES, lanes=lanes)
                for number, lanes in enumerate(SERVED, start=1)
            ),
            start_submitter(made, "flood", settings),
            start_submitter(made, QUIET, settings),
        ]
        *workers, flood, quiet = [alive.enter_context(child) for child in starting]
        admin = alive.enter_context(made.admin())
        queues = alive.enter_context(made.queue_client())
        bed = Bed(
            made, workers, flood, admin, queues, alive.enter_context(redis.Redis.from_url(made.cache.url))
        )
        flood.ask(move="load", count=WARM_TASKS, batch=10, per_s=None)
        quiet.ask(move="load", count=WARM_TASKS, batch=10, per_s=None, project=QUIET)
        _drain(bed)
        say(f"{size:,} tasks of one project, single ones of another")
        began = time.time()
        with _singles(quiet):
            flood.ask(move="load", count=size, batch=BATCH, per_s=None)
            flooded = time.time()
            _drain(bed, to=MESSAGES)
            done = time.time()
        _drain(bed)
        return {
            "submitted_in_s": round(flooded - began, 2),
            "done_in_s": round(done - began, 2),
            **_latencies(bed, began, done),
        }


@contextmanager
def _singles(quiet: Child) -> Iterator[None]:
    """Have single tasks submitted one after the other, at a steady pace, whatever becomes of them."""
    over = threading.Event()
    failures: list[BenchFailed] = []

    def submit() -> None:
        try:
            while not over.is_set():
                quiet.ask(
                    move="load",
                    count=SINGLES_ASKED_FOR,
                    batch=1,
                    per_s=1 / EVERY_S,
                    project=QUIET,
                )
                over.wait(EVERY_S)  # the pace goes on between two requests to the child
        except BenchFailed as exc:
            failures.append(exc)

    submitting = threading.Thread(target=submit, name=QUIET)
    submitting.start()
    try:
        yield
    finally:
        over.set()
        submitting.join()
    if failures:
        raise failures[0]


def _drain(bed: Bed, *, to: int = 0) -> None:
    """Wait until no more than `to` messages are in the queues: a few, while single tasks come all the time."""
    before, moved_at = -1, time.monotonic()
    while (left := depth(bed.queues, queue_names(LANES))) > to:
        if left != before:
            before, moved_at = left, time.monotonic()
        elif time.monotonic() - moved_at > STALLED_S:
            raise BenchFailed(
                f"{left} messages have not moved for {STALLED_S:.0f} s; look into the workers' logs"
            )
        for child in (*bed.workers, bed.submitter):
            child.check()
        time.sleep(0.05)  # the bench's own look, seldom enough to cost the workers nothing


def _latencies(bed: Bed, began: float, done: float) -> dict[str, Any]:
    query = """
      SELECT count(*), count(*) FILTER (WHERE t.status = 'completed'),
        percentile_cont(ARRAY[0.5, 0.99, 1.0])
          WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM t.finished_at - t.created_at))
      FROM task_histories t JOIN projects p ON p.id = t.project_id
      WHERE p.slug = %s AND t.created_at BETWEEN to_timestamp(%s) AND to_timestamp(%s)
    """
    found = bed.admin.execute(query, [QUIET, began, done]).fetchone()
    assert found is not None
    count, completed, latencies = found
    if not count or completed != count:
        raise BenchFailed(f"of {count} single tasks {completed} completed; see the workers' logs")
    named = dict(zip(("p50", "p99", "max"), latencies, strict=True))
    return {"singles": count, "latency_ms": {name: round(value, 1) for name, value in named.items()}}


def _add_project(made: Servers) -> None:
    database = Database(made.postgres.url)
    try:
        project_id = new_id()
        statement = "INSERT INTO projects (id, slug, name) VALUES (%(id)s, %(slug)s, %(slug)s)"
        database.run(statement, {"id": project_id, "slug": QUIET})
        templates.publish(database, project_id, research_dag(), by="bench")
    finally:
        database.close()
