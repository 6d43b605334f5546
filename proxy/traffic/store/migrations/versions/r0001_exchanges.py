"""Creates the table of exchanges."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

COUNTING = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "exchanges",
        sa.Column("seq", COUNTING, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("caller", sa.String),
        sa.Column("caller_name", sa.String),
        sa.Column("key", sa.String),
        sa.Column("user_agent", sa.Text),
        sa.Column("sdk", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("dialect", sa.String),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("features", sa.Text, nullable=False),
        sa.Column("turns", sa.BigInteger),
        sa.Column("prompt_characters", sa.BigInteger),
        sa.Column("max_tokens", sa.BigInteger),
        sa.Column("temperature", sa.Float),
        sa.Column("top_p", sa.Float),
        sa.Column("top_k", sa.BigInteger),
        sa.Column("stops", sa.BigInteger),
        sa.Column("route", sa.String),
        sa.Column("rule", sa.String),
        sa.Column("why", sa.String),
        sa.Column("first_failure", sa.Text),
        sa.Column("asked_model", sa.Text),
        sa.Column("sent_model", sa.Text),
        sa.Column("answered_model", sa.Text),
        sa.Column("adjustments", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("stop_reason", sa.String),
        sa.Column("upstream_stop_reason", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("failure", sa.Text),
        sa.Column("blame", sa.String, nullable=False),
        sa.Column("client_gone", sa.Boolean, nullable=False),
        sa.Column("input_tokens", sa.Float),
        sa.Column("output_tokens", sa.Float),
        sa.Column("request_bytes", sa.BigInteger, nullable=False),
        sa.Column("reply_bytes", sa.BigInteger, nullable=False),
        sa.Column("upstream_ms", sa.Float),
        sa.Column("first_token_ms", sa.Float),
        sa.Column("first_byte_ms", sa.Float),
        sa.Column("total_ms", sa.Float, nullable=False),
    )
    op.create_index("ix_exchanges_received_ms", "exchanges", ["received_ms"])
