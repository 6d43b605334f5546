"""What exchanges have in common, as one number to group them by; older ones have none."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From the revision before."""
    op.add_column("exchanges", sa.Column("shape", sa.BigInteger))
