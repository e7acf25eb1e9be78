"""Schedules: templates that become tasks at times told by a cron expression or a rate."""

from steersman.db.scripts import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script("0007_schedules.up.sql")


def downgrade() -> None:
    run_script("0007_schedules.down.sql")
