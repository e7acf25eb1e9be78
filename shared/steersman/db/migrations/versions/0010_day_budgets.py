"""What a project may spend in a day, and which stages wait because that is spent."""

from steersman.db.scripts import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script("0010_day_budgets.up.sql")


def downgrade() -> None:
    run_script("0010_day_budgets.down.sql")
