"""Creates the table of the notes that machines share."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "shared_notes",
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("written_ms", sa.BigInteger, nullable=False),
    )
