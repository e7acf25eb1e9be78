"""What a migration's version file calls: its SQL lies beside it, in migrations/sql."""

from pathlib import Path

from alembic import op

MIGRATIONS = Path(__file__).parent / "migrations"


def run_script(name: str) -> None:
    """Run the statements of migrations/sql/`name` inside the migration's transaction."""
    script = (MIGRATIONS / "sql" / name).read_text(encoding="utf-8")
    # Without parameters the driver sends the text as it is: it may hold many statements and percent signs.
    op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})
