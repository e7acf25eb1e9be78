"""The migrations as files: one line of revisions, each with its SQL for both ways."""

import subprocess
import sys

from alembic.script import ScriptDirectory

from steersman.db.migrate import newest
from steersman.db.roles import PRIVILEGES
from steersman.db.scripts import MIGRATIONS
from steersman.db.tables import metadata
from tests.unit.source_tree import ROOT, files, name_of

NOT_TABLES_OF_OURS = {"task_analytics", "task_events", "agent_performance_summary", "alembic_version"}


def test_revisions_form_one_line() -> None:
    """There is one newest revision, and every other is led to by it."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert scripts.get_heads() == [newest()]
    assert len(list(scripts.walk_revisions())) == len(list((MIGRATIONS / "versions").glob("*.py")))


def test_every_revision_goes_both_ways() -> None:
    """Each version file has its SQL for up and for down beside it, and no SQL lies there unused."""
    versions = {path.stem for path in (MIGRATIONS / "versions").glob("*.py")}
    statements = {path.name for path in (MIGRATIONS / "sql").iterdir()}
    assert statements == {f"{name}.{way}.sql" for name in versions for way in ("up", "down")}


def test_privileges_name_what_exists() -> None:
    """The list of special privileges names tables and views of the schema only."""
    assert set(PRIVILEGES) <= {*metadata.tables, *NOT_TABLES_OF_OURS}


def test_functions_start_without_the_migrations_libraries() -> None:
    """No function but the one that migrates loads SQLAlchemy or Alembic when it starts."""
    modules = [name for name in map(name_of, files("functions")) if name != "functions.ops.migrate"]
    script = (
        f"import sys, importlib; [importlib.import_module(name) for name in {modules}];"
        "print(sorted({'sqlalchemy', 'alembic'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "[]", result.stderr
