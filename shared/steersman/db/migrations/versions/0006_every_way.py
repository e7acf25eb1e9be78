"""Every way that a task can go: tasks of tasks, waiting stages and their timers, pauses, undoing."""

from steersman.db.scripts import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script("0006_every_way.up.sql")


def downgrade() -> None:
    run_script("0006_every_way.down.sql")
