"""
Blocks of the text index: each covers all exchanges that were received within a time.

What no block covers is searched without the index, so blocks may be missing anywhere. An
exchange that is stored after its block was made, or gets its bodies then, is noted in the block
as late, and a search reads it in any case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    func,
    inspect,
    or_,
    select,
    text,
    update,
)

from proxy.traffic.store.database.engines import BEGINS
from proxy.traffic.store.rollups.write import NewRows, lock_rollups
from proxy.traffic.store.schema import bodies, exchanges, text_blocks, text_postings
from proxy.traffic.store.text_index.trigrams import PAIRS

VERSION: Final = 1
"""Changes whenever a version of Holdover makes trigrams otherwise, so that blocks are made anew."""
_MAX_LATE: Final = 64
"""Limit on the late exchanges of a block; with more, it is made anew."""
_TABLES: Final = (text_blocks, text_postings)
_MAY_READ: Final = text(
    "SELECT has_table_privilege(to_regclass('text_blocks'), 'SELECT')"
    " AND has_table_privilege(to_regclass('text_postings'), 'SELECT')"
)

_columns: Final = text_blocks.c


def may_read_index(connection: Connection) -> bool:
    """Return True if the tables of the index are there, and this user may read them."""
    if connection.dialect.name == "postgresql":
        return bool(connection.execute(_MAY_READ).scalar())
    return _are_there(connection)


def covering(begin_ms: int, end_ms: int) -> ColumnElement[bool]:
    """Match the blocks that cover a part of the time from `begin_ms` until before `end_ms`."""
    return and_(_columns.end_ms > begin_ms, _columns.begin_ms < end_ms)


def places_of(block: int, pairs: Iterable[int]) -> list[int]:
    """Return the keys of a block's postings for some pairs."""
    return [block * PAIRS + pair for pair in pairs]


def note_late(connection: Connection, new: NewRows) -> None:
    """Note new exchanges, and exchanges with new bodies, in the blocks that cover them already."""
    times = {row["exchange_id"]: row["received_ms"] for row in new.bodies}
    times |= {row["id"]: row["received_ms"] for row in new.exchanges}
    if not times:
        return
    covered = covering(min(times.values()), max(times.values()) + 1)
    blocks = select(_columns.block, _columns.begin_ms, _columns.end_ms, _columns.late)
    for block in connection.execute(blocks.where(covered)).all():
        late = {name for name, ms in times.items() if block.begin_ms <= ms < block.end_ms}
        late.update(block.late.split())
        if len(late) > _MAX_LATE:
            delete_blocks(connection, [block.block])
        elif late:
            noted = update(text_blocks).where(_columns.block == block.block)
            connection.execute(noted.values(late=" ".join(sorted(late))))


def outlived_blocks(connection: Connection) -> list[int]:
    """Return the blocks of times whose bodies, or records, are all deleted."""
    oldest: dict[Any, int] = {
        table: connection.execute(select(func.min(table.c.received_ms))).scalar() or 2**62
        for table in (exchanges, bodies)
    }
    with_bodies = and_(_columns.bodies > 0, _columns.end_ms <= oldest[bodies])
    outlived = or_(_columns.end_ms <= oldest[exchanges], with_bodies)
    return list(connection.execute(select(_columns.block).where(outlived)).scalars())


def delete_blocks(connection: Connection, blocks: Collection[int]) -> None:
    """Delete blocks with their postings, in a transaction that holds the lock of rollups."""
    for block in blocks:
        within = text_postings.c.place.between(block * PAIRS, (block + 1) * PAIRS - 1)
        connection.execute(delete(text_postings).where(within))
        connection.execute(delete(text_blocks).where(_columns.block == block))


def repair(engine: Engine) -> None:
    """Make the tables anew if one is missing, and delete what an earlier version made."""
    with engine.connect() as connection:
        if _are_there(connection) and not _outdated(connection):
            return
    with (
        engine.connect().execution_options(**{BEGINS: "IMMEDIATE"}) as connection,
        connection.begin(),
    ):
        lock_rollups(connection)
        if not _are_there(connection):
            for table in _TABLES:  # one without the other says that nothing is found
                table.drop(connection, checkfirst=True)
                table.create(connection)
        delete_blocks(connection, _outdated(connection))


def _are_there(connection: Connection) -> bool:
    return {table.name for table in _TABLES} <= {*inspect(connection).get_table_names()}


def _outdated(connection: Connection) -> list[int]:
    outdated = select(_columns.block).where(_columns.version < VERSION)
    return list(connection.execute(outdated).scalars())
