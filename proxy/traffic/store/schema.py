"""
The current tables of the store, for SQLite and PostgreSQL; `migrations/` creates them.

Times are milliseconds since the epoch, UTC. Lists of a record are stored as JSON.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

# The number of a row in SQLite, which it counts up itself, is an INTEGER PRIMARY KEY.
_ROW_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

exchanges: Final = Table(
    "exchanges",
    metadata,
    Column("seq", _ROW_NUMBER, primary_key=True, autoincrement=True),  # in the order of loading
    Column("id", String, nullable=False, unique=True),
    Column("request_id", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("caller", String),
    Column("caller_name", String),
    Column("key", String),
    Column("user_agent", Text),
    Column("sdk", Text),
    Column("version", Text),
    Column("dialect", String),
    Column("streamed", Boolean, nullable=False),
    Column("features", Text, nullable=False),
    Column("turns", BigInteger),
    Column("prompt_characters", BigInteger),
    Column("max_tokens", BigInteger),
    Column("temperature", Float),
    Column("top_p", Float),
    Column("top_k", BigInteger),
    Column("stops", BigInteger),
    Column("route", String),
    Column("rule", String),
    Column("why", String),
    Column("first_failure", Text),
    Column("asked_model", Text),
    Column("sent_model", Text),
    Column("answered_model", Text),
    Column("adjustments", Text, nullable=False),
    Column("status", Integer),
    Column("stop_reason", String),
    Column("upstream_stop_reason", Text),
    Column("error_type", Text),
    Column("failure", Text),
    Column("blame", String, nullable=False),
    Column("client_gone", Boolean, nullable=False),
    Column("input_tokens", Float),
    Column("output_tokens", Float),
    Column("request_bytes", BigInteger, nullable=False),
    Column("reply_bytes", BigInteger, nullable=False),
    Column("upstream_ms", Float),
    Column("first_token_ms", Float),
    Column("first_byte_ms", Float),
    Column("total_ms", Float, nullable=False),
    Column("shape", BigInteger),  # see `fingerprint.py`; NULL in rows from before it existed
    Column("outcome", String),
)

shadows: Final = Table(
    "shadows",
    metadata,
    Column("exchange_id", String, primary_key=True),
    Column("leg", String, primary_key=True),
    Column("ended_ms", BigInteger, nullable=False, index=True),
    Column("rule", String, nullable=False),
    Column("failure", Text),
    Column("comparison", Text),  # JSON, the fields of a `Comparison`
)

bodies: Final = Table(
    "bodies",
    metadata,
    Column("exchange_id", String, primary_key=True),
    Column("part", String, primary_key=True),  # of `content.PARTS` or `SHADOW_PARTS`
    Column("received_ms", BigInteger, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),  # bytes on the wire
    Column("digest", String, nullable=False),
    Column("data", LargeBinary),  # redacted, zstd; NULL if only the digest is kept
    Column("timing", LargeBinary),  # of a stream: zstd of JSON, [[milliseconds, event, characters]]
)

replays: Final = Table(
    "replays",
    metadata,
    Column("replay", String, primary_key=True),
    Column("exchange_id", String, primary_key=True),
    Column("done_ms", BigInteger, nullable=False),
    Column("failure", Text),
    Column("comparison", Text),  # JSON, the fields of a `Comparison`
    Column("tokens", Float),
    Index("ix_replays_done_ms", "done_ms"),
)

rollups: Final = Table(
    "rollups",
    metadata,
    # The sums of one group in one time bucket; see `rollups/sums.py`.
    Column("kind", String, primary_key=True),  # one of `sums.Kind`
    Column("step_ms", BigInteger, primary_key=True),  # length of the bucket
    Column("begin_ms", BigInteger, primary_key=True),
    Column("key", BigInteger, primary_key=True),  # of the group
    Column("exchanges", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("input_tokens", Float, nullable=False),
    Column("output_tokens", Float, nullable=False),
    Column("captured", BigInteger, nullable=False),  # exchanges whose request body was kept
    Column("similarity", Float, nullable=False),  # sum over the shadows that were compared
    Column("equal", BigInteger, nullable=False),
    Column("latest_id", String, nullable=False),  # exchange to serve as an example
    Column("captured_ms", BigInteger, nullable=False),  # when `captured_id` was received
    Column("captured_id", String, nullable=False),  # the same with a request body; may be empty
    Column("latency", LargeBinary, nullable=False),  # see `rollups/sketch.py`
    sqlite_with_rowid=False,
)

rollup_groups: Final = Table(
    "rollup_groups",
    metadata,
    # What the exchanges of one group have in common; columns of other kinds of groups are NULL.
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("is_other", Boolean, nullable=False),  # the sum of groups that found no room
    Column("caller_name", String),
    Column("caller", String),
    Column("dialect", String),
    Column("streamed", Boolean),
    Column("features", Text),  # JSON
    Column("adjustments", Text),  # JSON, the kinds
    Column("rule", String),
    Column("asked_model", Text),
    Column("sent_model", Text),
    Column("route", String),
    Column("status", Integer),
    Column("error_type", Text),
    Column("outcome", String),
    Column("is_rescued", Boolean),
    Column("sdk", Text),
    Column("user_agent", Text),
    Column("leg", String),
    Column("failure", Text),
)

rollup_state: Final = Table(
    "rollup_state",
    metadata,
    # One row: the progress of adding older records; see `rollups/build.py`.
    Column("version", Integer, nullable=False),
    Column("built_seq", BigInteger, nullable=False),
    Column("target_seq", BigInteger, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("pruned_ms", BigInteger, nullable=False),
)

rollup_days: Final = Table(
    "rollup_days",
    metadata,
    # How many exchanges of a day rollups should hold; see `rollups/ledger.py`.
    Column("day", BigInteger, primary_key=True, autoincrement=False),  # since the epoch
    Column("exchanges", BigInteger, nullable=False),
)

text_blocks: Final = Table(
    "text_blocks",
    metadata,
    # What the text index covers; see `text_index/blocks.py`.
    Column("block", _ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("begin_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("bodies", BigInteger, nullable=False),  # rows of `bodies` of that time
    Column("ids", LargeBinary, nullable=False),  # of its exchanges: zstd of msgpack
    Column("late", Text, nullable=False),  # ids of exchanges that came later, between spaces
    sqlite_autoincrement=True,  # a search that has begun may ask for the block that had a number
)

text_postings: Final = Table(
    "text_postings",
    metadata,
    # Which exchanges of a block have a trigram; see `text_index/trigrams.py`.
    Column("place", _ROW_NUMBER, primary_key=True, autoincrement=False),  # block and pair
    Column("postings", LargeBinary, nullable=False),
)

shared_notes: Final = Table(
    "shared_notes",
    metadata,
    # What the workers of several machines tell each other; see `proxy.traffic.machines`.
    Column("topic", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("note", LargeBinary, nullable=False),
    Column("written_ms", BigInteger, nullable=False),  # by the clock of the database
)
