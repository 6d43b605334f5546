"""Creates the ledger of how many exchanges of each day the rollups should hold."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
DAY_MS = 86_400_000


def upgrade() -> None:
    op.create_table(
        "rollup_days",
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("exchanges", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO rollup_days (day, exchanges)"  # noqa: S608
        f" SELECT begin_ms / {DAY_MS}, sum(exchanges) FROM rollups"
        " WHERE kind = 'shape' AND begin_ms >= 0 GROUP BY 1"
    )
