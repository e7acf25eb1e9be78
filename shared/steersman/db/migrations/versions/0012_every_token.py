"""Every token of a stage is kept until it is answered."""

from steersman.db.scripts import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_script("0012_every_token.up.sql")


def downgrade() -> None:
    run_script("0012_every_token.down.sql")
