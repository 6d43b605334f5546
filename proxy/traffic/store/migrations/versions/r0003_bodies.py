"""Creates the table of captured bodies."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "bodies",
        sa.Column("exchange_id", sa.String, primary_key=True),
        sa.Column("part", sa.String, primary_key=True),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.Column("timing", sa.LargeBinary),
    )
    op.create_index("ix_bodies_received_ms", "bodies", ["received_ms"])
