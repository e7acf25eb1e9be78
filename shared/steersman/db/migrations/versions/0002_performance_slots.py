"""A row of measured performance for each worker at work at once."""

from steersman.db.scripts import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script("0002_performance_slots.up.sql")


def downgrade() -> None:
    run_script("0002_performance_slots.down.sql")
