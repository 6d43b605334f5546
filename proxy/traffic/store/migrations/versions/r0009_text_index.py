"""Creates the tables of the text index, which stay empty without the setting for it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "text_blocks",
        sa.Column("block", ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("begin_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("bodies", sa.BigInteger, nullable=False),
        sa.Column("ids", sa.LargeBinary, nullable=False),
        sa.Column("late", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_text_blocks_end_ms", "text_blocks", ["end_ms"])
    op.create_table(
        "text_postings",
        sa.Column("place", ROW_NUMBER, primary_key=True, autoincrement=False),
        sa.Column("postings", sa.LargeBinary, nullable=False),
    )
