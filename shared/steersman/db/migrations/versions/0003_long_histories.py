"""What a long history needs: indexes for the lists, folded measurements, statistics, and sweeps that repeat nothing."""

from steersman.db.scripts import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("0003_long_histories.up.sql")


def downgrade() -> None:
    run_script("0003_long_histories.down.sql")
