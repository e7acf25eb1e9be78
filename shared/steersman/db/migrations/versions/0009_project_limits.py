"""What a project may have at once, and what a stage that is ready waits for."""

from steersman.db.scripts import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_script("0009_project_limits.up.sql")


def downgrade() -> None:
    run_script("0009_project_limits.down.sql")
