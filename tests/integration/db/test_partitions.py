"""History by month: made ahead, dropped after its time, every row in the month of its id."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman.db.connection import Database
from steersman.db.partitions import MONTHS_AHEAD, create_ahead, ensure
from steersman.ids import first_id_at, new_id
from tests.integration.db.rows import insert

PARENTS = ["agent_health", "task_histories", "task_stages", "task_stage_logs"]
NAMES = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
SHAPE = """
  SELECT reloptions,
    ARRAY(SELECT replace(pg_get_indexdef(indexrelid), %(name)s, 'month') FROM pg_index
          WHERE indrelid = month.oid ORDER BY 1) AS indexes,
    ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = month.oid ORDER BY 1) AS rules,
    ARRAY(SELECT tgname::text FROM pg_trigger WHERE tgrelid = month.oid ORDER BY 1) AS triggers
  FROM pg_class AS month WHERE relname = %(name)s
"""
BY_ID = {"task_histories": "id", "task_stages": "task_id", "task_stage_logs": "task_id"}


def month(ahead: int) -> datetime:
    """Return the first moment of the month that is `ahead` months from now."""
    now = datetime.now(UTC)
    years, index = divmod(now.month - 1 + ahead, 12)
    return datetime(now.year + years, index + 1, 1, tzinfo=UTC)


def suffix(moment: datetime) -> str:
    return f"y{moment:%Y}m{moment:%m}"


def names(database: Database) -> set[str]:
    return {row["relname"] for row in database.run(NAMES)}


def partition_of(database: Database, table: str, row: dict[str, object]) -> list[str]:
    """Return the partitions in which rows like `row` lie, by its first column."""
    key = next(iter(row))
    statement = f"SELECT tableoid::regclass::text AS name FROM {table} WHERE {key} = %(key)s"  # noqa: S608
    return [found["name"] for found in database.run(statement, {"key": row[key]})]


@pytest.mark.parametrize("parent", PARENTS)
def test_coming_months_exist(parent: str, database: Database) -> None:
    """A migrated database has partitions for last month, this month, the coming ones, and a default."""
    expected = {f"{parent}_{suffix(month(ahead))}" for ahead in range(-1, MONTHS_AHEAD + 1)}
    assert {name for name in names(database) if name.startswith(parent)} == {*expected, f"{parent}_default"}


def test_making_months_is_idempotent(database: Database) -> None:
    """Ensuring the months a second time makes nothing and drops nothing."""
    first = ensure(database, months_ahead=6, retention_months=24)
    assert sorted(first.created) == sorted(
        f"{parent}_{suffix(month(ahead))}" for parent in PARENTS for ahead in range(MONTHS_AHEAD + 1, 7)
    )
    second = ensure(database, months_ahead=6, retention_months=24)
    assert (second.created, second.dropped) == ([], [])


def test_making_months_at_once_is_harmless(database_url: str, database: Database) -> None:
    """Of several schedules at the same time one makes the months, and none fails."""

    def run(_: int) -> list[str]:
        own = Database(database_url)
        try:
            return create_ahead(own, 8)
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        made = [name for created in pool.map(run, range(4)) for name in created]
    assert len(made) == len(set(made)) == (8 - MONTHS_AHEAD) * len(PARENTS)


def test_only_months_past_their_retention_are_dropped(database: Database) -> None:
    """Retention drops the months before it, of every history table, and no other."""
    for ahead in (-26, -25, -24, -23):
        database.run("SELECT create_history_partitions(%(month)s)", {"month": month(ahead).date()})
    before = names(database)
    report = ensure(database, months_ahead=MONTHS_AHEAD, retention_months=24)
    assert set(report.dropped) == {
        f"{parent}_{suffix(month(ahead))}" for parent in PARENTS for ahead in (-26, -25)
    }
    assert names(database) == before - set(report.dropped)


def test_running_month_is_never_dropped(database: Database) -> None:
    """A date in the future drops nothing of this month or later."""
    task = insert(database, "task_histories", id=new_id())
    database.run("SELECT drop_history_partitions('9999-12-31')")
    assert {suffix(month(ahead)) for ahead in range(MONTHS_AHEAD + 1)} | {"default"} == {
        name.removeprefix("task_histories_") for name in names(database) if name.startswith("task_histories_")
    }
    assert partition_of(database, "task_histories", task)


def test_evidence_leaves_with_its_task(database: Database) -> None:
    """Dropping a month takes the evidence of that month's tasks with it and leaves the rest."""
    old, kept = first_id_at(month(-3)), first_id_at(month(-2))
    for task_id in (old, kept):
        evidence = insert(database, "evidence", task_id=task_id)
        insert(database, "evidence_chains", task_id=task_id, evidence_id=evidence["id"])
    ensure(database, months_ahead=MONTHS_AHEAD, retention_months=2)
    assert database.run("SELECT task_id FROM evidence") == [{"task_id": kept}]
    assert database.run("SELECT task_id FROM evidence_chains") == [{"task_id": kept}]


def test_dead_letters_leave_with_their_task(database: Database) -> None:
    """Dropping a month takes the dead letters of that month's tasks with it and leaves the rest."""
    old, kept = first_id_at(month(-3)), first_id_at(month(-2))
    for task_id in (old, kept):
        insert(database, "dead_letters", task_id=task_id, status="open")
    ensure(database, months_ahead=MONTHS_AHEAD, retention_months=2)
    assert database.run("SELECT task_id FROM dead_letters") == [{"task_id": kept}]


@pytest.mark.parametrize("table", BY_ID)
@pytest.mark.parametrize("ahead", [-1, 0, 1, MONTHS_AHEAD])
def test_rows_land_in_the_month_of_their_id(table: str, ahead: int, database: Database) -> None:
    """The first and the last id of a month lie in that month's partition, and the default stays empty."""
    last_moment = month(ahead + 1) - timedelta(milliseconds=1)
    for task_id in (first_id_at(month(ahead)), first_id_at(last_moment)):
        row = insert(database, table, **{BY_ID[table]: task_id})
        assert partition_of(database, table, row) == [f"{table}_{suffix(month(ahead))}"]
    assert database.run(f"SELECT FROM {table}_default") == []


def test_health_lands_in_the_month_of_its_time(database: Database) -> None:
    """A health record lies in the partition of the month in which it was made."""
    row = insert(database, "agent_health")
    assert partition_of(database, "agent_health", row) == [f"agent_health_{suffix(month(0))}"]


def test_an_id_made_now_lands_in_this_month(database: Database) -> None:
    """An id that the code makes now lies in the partition of now."""
    row = insert(database, "task_histories", id=new_id())
    assert partition_of(database, "task_histories", row)[0] in {
        f"task_histories_{suffix(moment)}" for moment in (month(0), datetime.now(UTC))
    }


def test_rows_of_an_unprepared_last_month_move_too(database: Database) -> None:
    """A row from the end of a month that nobody prepared gets its partition in the month after."""
    last = f"task_histories_{suffix(month(-1))}"
    database.run(f"DROP TABLE {last}")
    row = insert(database, "task_histories", id=first_id_at(month(0) - timedelta(seconds=1)))
    assert partition_of(database, "task_histories", row) == ["task_histories_default"]
    ensure(database, months_ahead=MONTHS_AHEAD, retention_months=1)
    assert partition_of(database, "task_histories", row) == [last]


@pytest.mark.parametrize("table", BY_ID)
def test_rows_of_an_unprepared_month_move_when_it_is_made(table: str, database: Database) -> None:
    """After a sleep over the last prepared month, rows are taken in, and move when their month is made."""
    late = first_id_at(month(MONTHS_AHEAD + 2) + timedelta(days=3))
    row = insert(database, table, **{BY_ID[table]: late})
    assert partition_of(database, table, row) == [f"{table}_default"]
    create_ahead(database, MONTHS_AHEAD + 2)
    assert partition_of(database, table, row) == [f"{table}_{suffix(month(MONTHS_AHEAD + 2))}"]
    [moved] = database.run(f"SELECT * FROM {table}")  # noqa: S608 - a table of the models
    assert moved == row


def test_made_months_are_like_the_first(database: Database) -> None:
    """A month made later has the indexes, constraints, triggers and options of the first ones."""
    create_ahead(database, MONTHS_AHEAD + 1)
    for parent in PARENTS:
        first, new = (
            database.run(SHAPE, {"name": f"{parent}_{suffix(month(ahead))}"})
            for ahead in (0, MONTHS_AHEAD + 1)
        )
        assert first == new


def test_a_lookup_by_id_reads_one_partition(database: Database) -> None:
    """A task's id alone leads to the one partition that can hold it."""
    plan = database.run("EXPLAIN SELECT * FROM task_histories WHERE id = %(id)s", {"id": new_id()})
    assert [line for row in plan for line in row.values() if "default" in line] == []
    assert sum("Scan" in line for row in plan for line in row.values()) == 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_sql_and_python_bound_ids_alike(moment: datetime, database: Database) -> None:
    """The smallest id of a moment is the same from SQL and from Python, for every microsecond."""
    [row] = database.run("SELECT first_id_at(%(moment)s) AS id", {"moment": moment})
    assert row["id"] == first_id_at(moment)
