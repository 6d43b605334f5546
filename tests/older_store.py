"""Stores as an older version left them."""

from __future__ import annotations

from sqlalchemy import Connection, text

from proxy.traffic import open_store
from proxy.traffic.store.schema import (
    bodies,
    exchanges,
    rollup_days,
    rollup_groups,
    rollup_state,
    rollups,
    shared_notes,
    text_blocks,
    text_postings,
)
from proxy.traffic.store.store import Store


def remove_text_index(connection: Connection) -> None:
    """Undo what revision 0009 does."""
    for table in (text_blocks, text_postings):
        table.drop(connection)


def join_days(connection: Connection) -> None:
    """Undo what revisions 0008 to 0011 do, and keep the rows."""
    shared_notes.drop(connection)
    rollup_days.drop(connection)
    remove_text_index(connection)
    if connection.dialect.name == "sqlite":
        return
    for table in (exchanges, bodies):
        connection.execute(text(f"CREATE TEMP TABLE kept AS TABLE {table.name}"))
        connection.execute(text(f"DROP TABLE {table.name}"))
        table.create(connection)
        connection.execute(text(f"INSERT INTO {table.name} TABLE kept"))
        connection.execute(text("DROP TABLE kept"))
    last = "SELECT setval('exchanges_seq_seq', coalesce(max(seq), 0) + 1, false) FROM exchanges"
    connection.execute(text(last))


def remove_rollups(connection: Connection) -> None:
    """Undo what revisions 0007 to 0011 do."""
    join_days(connection)
    for table in (rollups, rollup_groups, rollup_state):
        table.drop(connection)


def as_before_rollups(url: str) -> None:
    """Leave a store as the last version without rollups left it, with its records."""
    store = open_store(url)
    with store.writing() as connection:
        remove_rollups(connection)
        connection.execute(text("UPDATE holdover_version SET version_num = '0006'"))
    store.close()


def as_before_days(store: Store) -> None:
    """Leave an open store as the last version without partitions left it, with its records."""
    with store.writing() as connection:
        join_days(connection)
        connection.execute(text("UPDATE holdover_version SET version_num = '0007'"))
