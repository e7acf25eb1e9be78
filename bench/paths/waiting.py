"""Tasks that wait for a time or for a person: what they cost meanwhile, and how soon they go on when they come due.

The tasks are made as users make them, by requests and by the workers. Then the time is moved: what a task waits until,
and since when, come nearer by as much, and the flag under which the sweep sleeps ends as it would have.
"""

import time
from contextlib import ExitStack
from typing import Any

from bench.engine.bed import Bed, Say
from bench.engine.children import BenchFailed
from bench.engine.readings import Reading
from bench.paths import templates
from bench.paths.bed import check, made_bed, spent_s, value
from steersman.tasks.open_work import ASLEEP
from steersman.tasks.waiting_store import AHEAD_S

TASKS = 100_000
DUE = 1000  # of the waiting ones: half of each kind
BATCH = 100
IDLE_S = 20.0
DUE_IN_S = 3.0  # after the time was moved: the sweep sends what is due until its next turn ahead of its time
SWEEPS = 3  # two find nothing open, from then on it sleeps
STALLED_S = 60.0
LOOK_S = 0.05
TABLES = ("task_histories", "task_stages", "task_stage_logs", "task_timers")
KINDS = (templates.TIMER, templates.APPROVAL)
_MB = 1e6

_SIZE = """
  SELECT sum(pg_total_relation_size(r.relid))::float8 FROM (
    SELECT p.relid FROM unnest(%s::text[]) AS t (root), pg_partition_tree(t.root::regclass) p WHERE p.isleaf
    UNION SELECT root::regclass FROM unnest(%s::text[]) AS t (root)) r"""
_WAITING = """
  SELECT count(*) FROM task_histories t JOIN task_stages s ON s.task_id = t.id AND s.name = 'rest'
  WHERE t.status = 'awaiting' AND s.status = 'awaiting'"""
_MOVED = """
  WITH chosen AS (
    SELECT s.task_id, s.ready_at - %s::timestamptz AS by
    FROM unnest(%s::text[]) AS k (template) CROSS JOIN LATERAL (
      SELECT id FROM task_histories t
      WHERE t.template_name = k.template AND t.status = 'awaiting' ORDER BY id LIMIT %s) t
    JOIN task_stages s ON s.task_id = t.id AND s.name = 'rest'
  ), stages AS (
    UPDATE task_stages s SET ready_at = s.ready_at - c.by, awaited_at = s.awaited_at - c.by
    FROM chosen c WHERE s.task_id = c.task_id AND s.name = 'rest'
  ), timers AS (
    UPDATE task_timers m SET due_at = m.due_at - c.by
    FROM chosen c WHERE m.task_id = c.task_id AND m.stage = 'rest'
  )
  SELECT array_agg(task_id) FROM chosen"""
_LATE = """
  SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0])
    WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - %s::timestamptz))
  FROM task_histories WHERE id = ANY(%s) AND status = 'completed'"""


def measure(say: Say, *, tasks: int | None = None, due: int = DUE, idle_s: float = IDLE_S) -> dict[str, Any]:
    """Measure with `tasks` waiting, half of them on timers and half on approvals, on servers of its own.

    made_per_s      tasks a second, from the request until they wait
    mb_per_1000     tables and indexes, by 1,000 waiting tasks
    sweep           of one that looks while all wait: seconds, seconds of its statements, statements
    asleep          of one that sleeps: statements, and how many seconds before the first is due it looks again
    idle            over `idle_s` seconds without and with the waiting tasks: CPU seconds by process; SQL statements
    due             seconds after their time until `due` of them had ended, by the database's clock
    """
    count = tasks or TASKS
    with ExitStack() as alive:
        say("starting the servers and the workers")
        bed = made_bed(alive, templates.timer(), templates.approval())
        _sleep(bed)
        found: dict[str, Any] = {"tasks": count, "idle_s": idle_s, "idle": {"without": _idle(bed, idle_s)}}
        found |= _filled(bed, count, say)
        found["sweep"], found["asleep"] = _sleep(bed), _asleep(bed)
        say(f"nothing happens for {idle_s:g} s")
        found["idle"]["with"] = _idle(bed, idle_s)
        say(f"{due:,} come due at once")
        return {**found, "due": _come_due(bed, due)}


def _filled(bed: Bed, count: int, say: Say) -> dict[str, Any]:
    say(f"{count:,} tasks begin to wait")
    size = _size(bed)
    began = time.time()
    for kind in KINDS:
        given = {"template": kind, "input": {"question": "when?"}}
        bed.submitter.ask(move="load", task=given, count=count // len(KINDS), batch=BATCH)
    bed.drain(say)
    seconds = time.time() - began
    check(value(bed, _WAITING), count // len(KINDS) * len(KINDS), "tasks that wait")
    bed.admin.execute("VACUUM (ANALYZE)")  # as autovacuum does in life, some time after
    bed.admin.execute("CHECKPOINT")
    grown = (_size(bed) - size) / _MB
    return {"made_per_s": round(count / seconds, 1), "mb_per_1000": round(1000 * grown / count, 3)}


def _size(bed: Bed) -> float:
    return float(value(bed, _SIZE, list(TABLES), list(TABLES)))


def _sleep(bed: Bed) -> dict[str, float]:
    """Sweep until the sweep sleeps; return what the first of these took."""
    first = bed.submitter.ask(move="sweep")
    for _ in range(SWEEPS):
        if bed.submitter.ask(move="sweep")["asleep"]:
            return {name: round(first[name], 4) for name in ("seconds", "database_s", "statements")}
    raise BenchFailed("the sweep does not sleep though tasks only wait: look into what it says in caller.log")


def _asleep(bed: Bed) -> dict[str, float]:
    """Return what a sweep asks that sleeps, and how long before the first is due it looks again."""
    swept = bed.submitter.ask(move="sweep")
    check(swept["asleep"], True, "whether the sweep sleeps")
    left_ms: Any = bed.cache.pttl(ASLEEP)
    due_s = value(bed, "SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM task_timers")
    ahead = due_s - left_ms / 1000
    if not 0 <= ahead <= AHEAD_S + 1:
        raise BenchFailed(f"the sweep looks again {ahead:.0f} s before the first is due, not {AHEAD_S:.0f}")
    return {"statements": swept["statements"], "wakes_before_due_s": round(ahead, 1)}


def _idle(bed: Bed, idle_s: float) -> dict[str, Any]:
    before = Reading.of(bed)
    time.sleep(idle_s)  # nothing is to happen: that is what is measured
    swept = bed.submitter.ask(move="sweep")
    after = Reading.of(bed)
    check(swept["asleep"], True, "whether the sweep sleeps while nothing happens")
    statements = after.calls["sql_statements"] - before.calls["sql_statements"]
    return {"cpu_s": spent_s(before, after), "sql_statements": statements}


def _come_due(bed: Bed, due: int) -> dict[str, float]:
    """Have tasks come due at the same moment; return how long after it they had ended."""
    moment = value(bed, "SELECT clock_timestamp() + make_interval(secs => %s)", DUE_IN_S)
    task_ids = value(bed, _MOVED, moment, list(KINDS), due // len(KINDS))
    bed.cache.delete(ASLEEP)
    swept = bed.submitter.ask(move="sweep")
    check(swept["asleep"], False, "whether the sweep sleeps though tasks are due")
    ended = "SELECT count(*) FROM task_histories WHERE id = ANY(%s) AND status = 'completed'"
    stalled_at = time.monotonic() + STALLED_S
    while (done := value(bed, ended, task_ids)) < len(task_ids):
        if time.monotonic() > stalled_at:
            raise BenchFailed(f"{done} of {len(task_ids)} tasks that are due went on; see the workers' logs")
        time.sleep(LOOK_S)  # the bench's own look, seldom enough to cost the servers nothing
    late = value(bed, _LATE, moment, task_ids)
    named = dict(zip(("p50_s", "p99_s", "max_s"), (round(one, 3) for one in late), strict=True))
    return {"tasks": len(task_ids), "sweep_s": round(swept["seconds"], 3), **named}
