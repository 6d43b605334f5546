"""Creates the table of replay results."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("replay", sa.String, primary_key=True),
        sa.Column("exchange_id", sa.String, primary_key=True),
        sa.Column("done_ms", sa.BigInteger, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("comparison", sa.Text),
        sa.Column("tokens", sa.Float),
    )
    op.create_index("ix_replays_done_ms", "replays", ["done_ms"])
