"""
Divides exchanges and bodies into days on PostgreSQL, with the indexes that filters use.

The rows that are there are not copied: their table becomes the partition of all days until today.
Indexes on it are built, which takes a while for many rows; nobody can use the tables meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
DAY_MS = 86_400_000
TABLES = ("exchanges", "bodies")
INDEXES = (
    "UNIQUE INDEX ix_exchanges_by_id ON exchanges (id varchar_pattern_ops, received_ms)",
    "INDEX ix_exchanges_by_request_id ON exchanges (request_id text_pattern_ops)",
    "INDEX ix_exchanges_by_time ON exchanges (received_ms, seq)",
    "INDEX ix_exchanges_by_seq ON exchanges (seq)",
    "INDEX ix_exchanges_by_caller ON exchanges (caller_name, received_ms, seq)"
    " WHERE caller_name IS NOT NULL",
    "INDEX ix_exchanges_by_rule ON exchanges (rule, received_ms, seq) WHERE rule IS NOT NULL",
    "INDEX ix_exchanges_by_failure ON exchanges (received_ms, seq)"
    " WHERE outcome <> 'answered' OR status <> 200",
    "UNIQUE INDEX ix_bodies_by_id ON bodies (exchange_id, part, received_ms)",
    "INDEX ix_bodies_by_time ON bodies (received_ms)",
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    for name in ("exchanges_pkey", "exchanges_id_key"):
        op.execute(f"ALTER TABLE exchanges DROP CONSTRAINT {name}")
    op.execute("ALTER TABLE bodies DROP CONSTRAINT bodies_pkey")
    for table in TABLES:
        earlier = f"{table}_earlier"
        op.execute(f"ALTER TABLE {table} RENAME TO {earlier}")
        op.execute(
            f"CREATE TABLE {table} (LIKE {earlier} INCLUDING DEFAULTS)"
            " PARTITION BY RANGE (received_ms)"
        )
        copy_grants(connection, earlier, table)
    op.execute("ALTER SEQUENCE exchanges_seq_seq OWNED BY exchanges.seq")
    now_ms = connection.execute(sa.text("SELECT extract(epoch FROM now()) * 1000")).scalar_one()
    end_ms = (int(now_ms) // DAY_MS + 1) * DAY_MS
    for table in TABLES:
        attach(connection, table, end_ms)
    op.execute("DROP INDEX IF EXISTS ix_exchanges_received_ms")
    for index in INDEXES:
        op.execute(f"CREATE {index}")


def attach(connection: sa.Connection, table: str, end_ms: int) -> None:
    """Make a table the partition of all times before the end, and later rows days of their own."""
    earlier = f"{table}_earlier"
    if connection.execute(sa.text(f"SELECT 1 FROM {earlier} LIMIT 1")).first() is None:  # noqa: S608
        op.execute(f"DROP TABLE {earlier}")
        return
    # A clock may have been wrong: rows of years to come would keep the partition until then.
    op.execute(
        f"CREATE TEMP TABLE later ON COMMIT DROP AS SELECT * FROM {earlier}"  # noqa: S608
        f" WHERE received_ms >= {end_ms}"
    )
    op.execute(f"DELETE FROM {earlier} WHERE received_ms >= {end_ms}")  # noqa: S608
    op.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {earlier} FOR VALUES FROM (MINVALUE) TO ({end_ms})"
    )
    days = sa.text("SELECT DISTINCT div(received_ms, :day)::bigint FROM later")
    for day in connection.execute(days, {"day": DAY_MS}).scalars().all():
        op.execute(
            f"CREATE TABLE {table}_later_{day} PARTITION OF {table}"
            f" FOR VALUES FROM ({day * DAY_MS}) TO ({(day + 1) * DAY_MS})"
        )
    op.execute(f"INSERT INTO {table} SELECT * FROM later")  # noqa: S608
    op.execute("DROP TABLE later")


def copy_grants(connection: sa.Connection, source: str, target: str) -> None:
    """Grant on a table what others than its owner may do with another one."""
    grants = sa.text(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END"
        " FROM pg_class, aclexplode(relacl)"
        " WHERE pg_class.oid = to_regclass(:source) AND grantee <> relowner"
    )
    for privilege, role in connection.execute(grants, {"source": source}).all():
        op.execute(f"GRANT {privilege} ON {target} TO {role}")
