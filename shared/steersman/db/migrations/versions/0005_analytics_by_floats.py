"""The analytics of tasks in floating-point numbers: exact decimals of durations cost most of the view's time."""

from steersman.db.scripts import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script("0005_analytics_by_floats.up.sql")


def downgrade() -> None:
    run_script("0005_analytics_by_floats.down.sql")
