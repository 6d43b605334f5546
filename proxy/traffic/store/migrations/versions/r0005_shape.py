"""Adds the shape of exchanges, a number to group them by; it stays NULL in older rows."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("shape", sa.BigInteger))
