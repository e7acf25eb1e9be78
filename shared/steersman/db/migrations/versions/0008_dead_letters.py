"""Dead letters and audit entries as rows, and what a task that runs again has to remember."""

from steersman.db.scripts import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script("0008_dead_letters.up.sql")


def downgrade() -> None:
    run_script("0008_dead_letters.down.sql")
