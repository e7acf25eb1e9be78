"""State machines of templates, and the tokens through which they wait for stages."""

from steersman.db.scripts import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_script("0011_step_functions.up.sql")


def downgrade() -> None:
    run_script("0011_step_functions.down.sql")
