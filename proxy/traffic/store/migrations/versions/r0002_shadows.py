"""Creates the table of shadow and control results."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "shadows",
        sa.Column("exchange_id", sa.String, primary_key=True),
        sa.Column("leg", sa.String, primary_key=True),
        sa.Column("ended_ms", sa.BigInteger, nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("comparison", sa.Text),
    )
    op.create_index("ix_shadows_ended_ms", "shadows", ["ended_ms"])
