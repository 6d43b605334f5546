"""Creates the rollups; the loader builds those of older rows, in small steps."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
ALWAYS_MS = -(2**62)


def upgrade() -> None:
    op.create_table(
        "rollups",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("step_ms", sa.BigInteger, primary_key=True),
        sa.Column("begin_ms", sa.BigInteger, primary_key=True),
        sa.Column("key", sa.BigInteger, primary_key=True),
        sa.Column("exchanges", sa.BigInteger, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.Float, nullable=False),
        sa.Column("output_tokens", sa.Float, nullable=False),
        sa.Column("captured", sa.BigInteger, nullable=False),
        sa.Column("similarity", sa.Float, nullable=False),
        sa.Column("equal", sa.BigInteger, nullable=False),
        sa.Column("latest_id", sa.String, nullable=False),
        sa.Column("captured_ms", sa.BigInteger, nullable=False),
        sa.Column("captured_id", sa.String, nullable=False),
        sa.Column("latency", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_groups",
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("is_other", sa.Boolean, nullable=False),
        sa.Column("caller_name", sa.String),
        sa.Column("caller", sa.String),
        sa.Column("dialect", sa.String),
        sa.Column("streamed", sa.Boolean),
        sa.Column("features", sa.Text),
        sa.Column("adjustments", sa.Text),
        sa.Column("rule", sa.String),
        sa.Column("asked_model", sa.Text),
        sa.Column("sent_model", sa.Text),
        sa.Column("route", sa.String),
        sa.Column("status", sa.Integer),
        sa.Column("error_type", sa.Text),
        sa.Column("outcome", sa.String),
        sa.Column("is_rescued", sa.Boolean),
        sa.Column("sdk", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("leg", sa.String),
        sa.Column("failure", sa.Text),
    )
    op.create_table(
        "rollup_state",
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("built_seq", sa.BigInteger, nullable=False),
        sa.Column("target_seq", sa.BigInteger, nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("pruned_ms", sa.BigInteger, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        # An older version may be adding exchanges, which would be neither before nor after.
        op.execute("LOCK TABLE exchanges IN SHARE MODE")
    op.execute(
        "INSERT INTO rollup_state (version, built_seq, target_seq, from_ms, pruned_ms)"  # noqa: S608
        f" SELECT 1, 0, coalesce(max(seq), 0), {ALWAYS_MS}, {ALWAYS_MS} FROM exchanges"
    )
