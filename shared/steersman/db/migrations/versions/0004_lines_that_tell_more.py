"""Fewer lines in the log, each telling more: a stage's end says when it started and what it freed."""

from steersman.db.scripts import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("0004_lines_that_tell_more.up.sql")


def downgrade() -> None:
    run_script("0004_lines_that_tell_more.down.sql")
