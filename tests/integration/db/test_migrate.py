"""Migrations: there and back, twice, at once, and from an installed package."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

import steersman
from steersman.db.migrate import current, downgrade, migrate, newest
from steersman.errors import Unavailable
from tests.integration.db.catalog import describe, objects, query


def test_up_reaches_the_newest_revision(empty_database_url: str) -> None:
    """Migrating an empty database brings it to the newest revision and says each step."""
    steps: list[str] = []
    assert current(empty_database_url) is None
    assert migrate(empty_database_url, progress=steps.append) == newest() == current(empty_database_url)
    assert steps[0].startswith("applied 0001 The first schema")


def test_down_leaves_nothing_behind(empty_database_url: str) -> None:
    """Going down to the base removes everything that going up made."""
    before = objects(empty_database_url)
    migrate(empty_database_url)
    assert objects(empty_database_url) > before
    assert downgrade(empty_database_url) is None
    assert objects(empty_database_url) == before


def test_up_again_after_down_makes_the_same(empty_database_url: str) -> None:
    """Down and up again ends with the same schema."""
    migrate(empty_database_url)
    first = describe(empty_database_url), objects(empty_database_url)
    downgrade(empty_database_url)
    migrate(empty_database_url)
    assert (describe(empty_database_url), objects(empty_database_url)) == first


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    """A second migration has no step to report and leaves everything as it is."""
    migrate(empty_database_url)
    before = objects(empty_database_url)
    steps: list[str] = []
    assert migrate(empty_database_url, progress=steps.append) == newest()
    assert steps == []
    assert objects(empty_database_url) == before


def test_migrating_at_once_is_harmless(empty_database_url: str) -> None:
    """Of several migrations at the same time one does the work, and all of them end well."""
    steps: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(migrate, empty_database_url, progress=steps.append) for _ in range(4)]
    assert [run.result() for run in runs] == [newest()] * 4
    assert len([step for step in steps if step.startswith("applied 0001")]) == 1


def test_a_failed_migration_leaves_nothing_half_done(empty_database_url: str) -> None:
    """Where a statement fails, none of its migration remains, and it can be run again."""
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE idempotency_keys (of_someone_else integer)")
    before = objects(empty_database_url)
    with pytest.raises(Exception, match="already exists"):
        migrate(empty_database_url)
    assert objects(empty_database_url) == before
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("DROP TABLE idempotency_keys")
    assert migrate(empty_database_url) == newest()


def test_an_unreachable_server_is_said_to_be_so() -> None:
    """Migrating where no server listens raises the error that callers may retry."""
    with pytest.raises(Unavailable):
        migrate("postgresql://nobody@127.0.0.1:1/nothing")


def test_migrations_run_from_a_layer(empty_database_url: str, tmp_path: Path) -> None:
    """A copy of the package alone, as a layer holds it, migrates from any working directory."""
    package = Path(steersman.__file__).parent
    shutil.copytree(package, tmp_path / "python" / "steersman", ignore=shutil.ignore_patterns("__pycache__"))
    script = "import sys; from steersman.db.migrate import migrate; print(migrate(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-P", "-c", script, empty_database_url],
        cwd=tmp_path,
        env=dict(os.environ) | {"PYTHONPATH": str(tmp_path / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout.strip(), result.stderr) == (newest(), "")
    assert query(empty_database_url, "SELECT slug FROM projects") == [("default",)]
