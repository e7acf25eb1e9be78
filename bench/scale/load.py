"""Loading the history by COPY: two processes, each in streams of a few thousand tasks."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console
from rich.progress import Progress

from bench.scale import copy_text, course, history
from bench.scale.history import Places, Span
from steersman.db.connection import Database
from steersman.db.partitions import KEEP_HOURS_DAYS, tend
from steersman.ids import new_id
from steersman.seed import seed
from steersman.tasks import templates
from steersman.tasks.template import parse_template

PROCESSES = 2
SPAN = 4000  # tasks of one stream: about 20 MB of text
NEWEST_AGE = timedelta(minutes=10)
PARENTS = ("task_histories", "task_stages", "task_stage_logs", "agent_performance")
# While it loads only: fewer checkpoints write each page once. The measurements run with the server's defaults.
LOADING = {"max_wal_size": "16GB", "checkpoint_timeout": "1h", "maintenance_work_mem": "1GB"}
# Of a page, in percent, while it loads: COPY writes rows as they are when they have ended. In life a page takes the
# smaller rows of new tasks, they grow into the reserve, and what stays free is taken by later tasks, again and again.
# Loaded without it, every page would have a place for one row more, and 100,000 tasks would be scattered over them.
LOADED_FILL = {"task_histories": 80, "task_stages": 80}


@dataclass(frozen=True)
class Loaded:
    """What was loaded: seconds by step, rows and MB by table."""

    tasks: int
    copy_s: float
    vacuum_s: float
    rows: dict[str, int]
    tables_mb: dict[str, float]
    indexes_mb: dict[str, float]

    def told(self) -> dict[str, Any]:
        """Return the record for the results file."""
        rounded = {
            name: round(value, 1) for name, value in (("copy_s", self.copy_s), ("vacuum_s", self.vacuum_s))
        }
        return {**asdict(self), **rounded, "rows_per_s": round(sum(self.rows.values()) / self.copy_s)}


def load(url: str, tasks: int, console: Console) -> Loaded:
    """Fill the migrated database at `url` with `tasks` finished tasks and what belongs to them."""
    places = prepare(url)
    end_ms = int((datetime.now(UTC) - NEWEST_AGE).timestamp() * 1000)
    spans = [Span(first, min(SPAN, tasks - first), tasks, end_ms) for first in range(0, tasks, SPAN)]
    with psycopg.connect(url, autocommit=True) as connection, _loading(connection):
        _make_partitions(connection)
        began = time.perf_counter()
        with _filled(connection):
            _copy_spans(url, spans, places, tasks, console)
        _copy_performance(connection, end_ms)
        # What the engine logs from now on comes behind the lines that brought their ids.
        connection.execute("SELECT setval('task_stage_logs_id', %s)", [history.first_log_id(tasks)])
        copied = time.perf_counter()
        tend(Database(url), keep_hours_days=KEEP_HOURS_DAYS)  # as the schedule of the months does
        console.print("… VACUUM (ANALYZE), as autovacuum does in life")
        for parent in PARENTS:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(parent)))
        connection.execute("CHECKPOINT")
        vacuumed = time.perf_counter()
        rows, tables, indexes = _sizes(connection)
    return Loaded(tasks, copied - began, vacuumed - copied, rows, tables, indexes)


def prepare(url: str) -> Places:
    """Seed the database, add the projects and publish the templates; harmless to repeat."""
    database = Database(url)
    try:
        seed(database)
        projects = {}
        for slug in history.PROJECTS:
            row = database.run(
                "INSERT INTO projects (id, slug, name) VALUES (%(id)s, %(slug)s, %(slug)s) "
                "ON CONFLICT (slug) DO UPDATE SET name = projects.name RETURNING id",
                {"id": new_id(), "slug": slug},
            )
            projects[slug] = row[0]["id"]
        for name in history.TEMPLATES:
            stages = [{**stage, "capability": course.CAPABILITY} for stage in course.STAGES]
            template = parse_template({"name": name, "stages": stages})
            for project_id in projects.values():
                templates.publish(database, project_id, template, by="bench")
        published = database.run(
            "SELECT t.id, t.name, p.slug FROM task_dag_templates t JOIN projects p ON p.id = t.project_id"
        )
        agent = database.run("SELECT id FROM agents WHERE name = 'echo'")[0]["id"]
        return Places(projects, {(row["slug"], row["name"]): row["id"] for row in published}, agent)
    finally:
        database.close()


def _make_partitions(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "SELECT create_history_partitions(m::date) FROM generate_series("
        "date_trunc('month', now() - make_interval(days => %s)), now(), interval '1 month') AS m",
        [history.DAYS + 1],
    )


@contextmanager
def _loading(connection: psycopg.Connection[Any]) -> Iterator[None]:
    for name, value in LOADING.items():
        connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
    connection.execute("SELECT pg_reload_conf()")
    connection.execute("SET maintenance_work_mem = '1GB'")
    try:
        yield
    finally:
        for name in LOADING:
            connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _filled(connection: psycopg.Connection[Any]) -> Iterator[None]:
    leaves = connection.execute(
        "SELECT c.relname, o.option_value, t.root FROM unnest(%s::text[]) AS t(root), pg_partition_tree(t.root) p "
        "JOIN pg_class c ON c.oid = p.relid, pg_options_to_table(c.reloptions) o "
        "WHERE p.isleaf AND o.option_name = 'fillfactor'",
        [list(LOADED_FILL)],
    ).fetchall()

    def fill(leaf: str, percent: int) -> None:
        connection.execute(
            sql.SQL("ALTER TABLE {} SET (fillfactor = {})").format(sql.Identifier(leaf), sql.Literal(percent))
        )

    for leaf, _, root in leaves:
        fill(leaf, LOADED_FILL[root])
    try:
        yield
    finally:
        for leaf, percent, _ in leaves:
            fill(leaf, int(percent))


def _copy_spans(url: str, spans: list[Span], places: Places, tasks: int, console: Console) -> None:
    # Started afresh rather than forked: a fork would share this process's connections.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=fresh) as pool, Progress(console=console) as progress:
        bar = progress.add_task("loading tasks", total=tasks)
        for copied in as_completed([pool.submit(copy_span, url, span, places) for span in spans]):
            progress.advance(bar, copied.result())


def copy_span(url: str, span: Span, places: Places) -> int:
    """Copy the tasks of one span in one transaction and return how many there are."""
    rows = history.rows_of(span, places)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, columns, lines in (
            ("task_histories", copy_text.TASK_COLUMNS, rows.tasks),
            ("task_stages", copy_text.STAGE_COLUMNS, rows.stages),
            ("task_stage_logs", copy_text.LOG_COLUMNS, rows.logs),
        ):
            if lines:
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as stream:
                    stream.write("\n".join(lines))
                    stream.write("\n")
    return span.count


def _copy_performance(connection: psycopg.Connection[Any], end_ms: int) -> None:
    """Copy hourly rows of every agent in every project, as calls leave them."""
    agents = connection.execute(
        "SELECT DISTINCT ON (a.id) a.id, c.capability FROM agents a JOIN agent_capabilities c ON c.agent_id = a.id"
    ).fetchall()
    projects = [row[0] for row in connection.execute("SELECT id FROM projects").fetchall()]
    columns = (
        "agent_id, project_id, capability, bucket_start, calls, failures, duration_ms_sum, duration_ms_max"
    )
    hours = [end_ms // 3_600_000 * 3_600_000 - hour * 3_600_000 for hour in range(history.DAYS * 24)]
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY agent_performance ({columns}) FROM STDIN") as stream,
    ):
        for hour in reversed(hours):
            for project in projects:
                for agent, capability in agents:
                    values = (agent, project, capability, copy_text.moment(hour), 40, 2, 18_400, 1900)
                    stream.write_row(values)


def _sizes(
    connection: psycopg.Connection[Any],
) -> tuple[dict[str, int], dict[str, float], dict[str, float]]:
    rows, tables, indexes = {}, {}, {}
    for parent in PARENTS:
        name = sql.Identifier(parent)
        count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
        size = connection.execute(
            "SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid)) FROM "
            "(SELECT relid FROM pg_partition_tree(%s) UNION SELECT %s::regclass) AS relations",
            [parent, parent],
        ).fetchone()
        assert count
        assert size
        rows[parent] = int(count[0])
        tables[parent], indexes[parent] = (round(float(value) / 1e6, 1) for value in size)
    return rows, tables, indexes
