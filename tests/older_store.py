"""Stores as an older version left them."""

from __future__ import annotations

from sqlalchemy import Connection, text

from proxy.traffic import open_store
from proxy.traffic.store.schema import rollup_groups, rollup_state, rollups


def remove_rollups(connection: Connection) -> None:
    """Drop the tables that revision 0007 creates."""
    for table in (rollups, rollup_groups, rollup_state):
        table.drop(connection)


def as_before_rollups(url: str) -> None:
    """Leave a store as the last version without rollups left it, with its records."""
    store = open_store(url)
    with store.writing() as connection:
        remove_rollups(connection)
        connection.execute(text("UPDATE holdover_version SET version_num = '0006'"))
    store.close()
