"""The first schema: tasks, agents, documents, evidence, and their history by month."""

from steersman.db.scripts import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script("0001_first_schema.up.sql")


def downgrade() -> None:
    run_script("0001_first_schema.down.sql")
