"""
Build rollups from records that were stored without them, in steps that may stop at any time.

The state says up to which `seq` exchanges have been added (`built_seq`), and up to which they
are to be (`target_seq`); later ones are counted as they are stored. So every exchange is counted
once, whoever takes the steps and however often they are interrupted. Records may have been
deleted while their rollups stay: a rebuild replaces only buckets of which all records are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, inspect, select, update

from proxy.timestamps import MINUTE_MS
from proxy.traffic.store.database.engines import BEGINS
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.rollups.ledger import (
    ALL,
    DayCount,
    agrees_with_records,
    different_days,
    note,
)
from proxy.traffic.store.rollups.period import Period, ceiling_ms
from proxy.traffic.store.rollups.sums import Sums
from proxy.traffic.store.rollups.write import (
    add_sums,
    count_exchanges,
    exchange_row,
    lock_rollups,
)
from proxy.traffic.store.schema import exchanges, rollup_days, rollup_groups, rollup_state, rollups

VERSION: Final = 1
"""Changes whenever a version of Holdover sums up otherwise, so that rollups are built anew."""
ALWAYS_MS: Final = -(2**62)
"""A time before all others."""
_ROWS_PER_STEP: Final = 250
_TABLES: Final = (rollups, rollup_groups, rollup_state, rollup_days)


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """
    How many of the exchanges that are to be added have been.

    They are counted by their `seq`, from the oldest that is still stored.
    """

    built: int
    target: int

    @property
    def left(self) -> int:
        """Number of exchanges that reports leave out until they are added."""
        return self.target - self.built


@dataclass(frozen=True, slots=True)
class Missing:
    """Exchanges that rollups do not have."""

    to_build: int
    """Number of those that a build finds in the records."""
    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    """Numbers of those, by date, that somebody has deleted with their records."""


def progress_of(connection: Connection) -> BuildProgress:
    """Return the progress of the build; nothing is left if there is none."""
    state = _state(connection)
    return _progress(connection, state.built_seq, state.target_seq)


def build_step(connection: Connection) -> BuildProgress:
    """Add the next exchanges, in a transaction of the caller's that may write."""
    lock_rollups(connection)
    state = _state(connection)
    if state.built_seq >= state.target_seq:
        return _progress(connection, state.built_seq, state.target_seq)
    query = (
        select(exchanges)
        .where(exchanges.c.seq > state.built_seq, exchanges.c.seq <= state.target_seq)
        .order_by(exchanges.c.seq)
        .limit(_ROWS_PER_STEP)
    )
    rows = [exchange_row(row._asdict()) for row in connection.execute(query)]
    sums = Sums(MINUTE_MS)
    count_exchanges(connection, sums, [row for row in rows if row["received_ms"] >= state.from_ms])
    add_sums(connection, sums)
    built = rows[-1]["seq"] if len(rows) == _ROWS_PER_STEP else state.target_seq
    connection.execute(update(rollup_state).values(built_seq=built))
    return _progress(connection, built, state.target_seq)


def begin_rebuild(connection: Connection) -> BuildProgress:
    """Remove the rollups that can be built again, and let `build_step` begin with the first."""
    _lock_all(connection)
    pruned_ms = connection.execute(select(rollup_state.c.pruned_ms)).scalar()
    if pruned_ms is None:  # its table was deleted
        oldest_ms = connection.execute(select(func.min(exchanges.c.received_ms))).scalar()
        pruned_ms = ALWAYS_MS if oldest_ms is None else oldest_ms - 1
    from_ms = ceiling_ms(connection, pruned_ms + 1)
    connection.execute(delete(rollups).where(rollups.c.begin_ms >= from_ms))
    target = connection.execute(select(func.coalesce(func.max(exchanges.c.seq), 0))).scalar_one()
    state = {
        "version": VERSION,
        "built_seq": 0,
        "target_seq": target,
        "from_ms": from_ms,
        "pruned_ms": pruned_ms,
    }
    connection.execute(delete(rollup_state))
    connection.execute(insert(rollup_state), state)
    return _progress(connection, 0, target)


def missing_from(connection: Connection, period: Period = ALL) -> Missing:
    """Return what rollups do not have of the days of a period, or of all that is being built."""
    if left := progress_of(connection).left:
        return Missing(left)
    from_ms = first_comparable_ms(connection)
    to_build, lost = 0, dict[str, int]()
    for each in different_days(connection, period):
        if not each.missing:
            continue
        if agrees_with_records(connection, each.day, from_ms):
            lost[each.date] = each.missing
        else:
            to_build += each.missing
    return Missing(to_build, lost)


def rebuild_deleted(connection: Connection) -> BuildProgress:
    """
    Begin a rebuild if rollups are not those of the records; return the progress.

    This is for a transaction of the caller's that may write, and which nobody can store exchanges
    beside. Days that the ledger does not know in full are noted.
    """
    _lock_all(connection)
    progress = progress_of(connection)
    if progress.left:
        return progress
    from_ms = first_comparable_ms(connection)
    believed: list[DayCount] = []
    for each in different_days(connection):
        if not agrees_with_records(connection, each.day, from_ms):
            return begin_rebuild(connection)
        if not each.missing:
            believed.append(each)
    note(connection, believed)
    return progress


def first_comparable_ms(connection: Connection) -> int:
    """Return the time from which on no records have been deleted."""
    pruned_ms = connection.execute(select(rollup_state.c.pruned_ms)).scalar_one()
    return ceiling_ms(connection, pruned_ms + 1)


def may_delete_records(connection: Connection) -> bool:
    """Say whether no build needs records, and let none begin before the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE ONLY exchanges IN ROW EXCLUSIVE MODE")
    return not progress_of(connection).left


def note_pruned(connection: Connection, until_ms: int) -> None:
    """Note that records up to this time are deleted, whose rollups a rebuild has to keep."""
    later = update(rollup_state).where(rollup_state.c.pruned_ms < until_ms)
    connection.execute(later.values(pruned_ms=until_ms))


def repair(engine: Engine) -> None:
    """Have rollups built anew if a table of them is missing or another version made them."""
    with engine.connect() as connection:
        if _are_usable(connection):
            return
    with (
        engine.connect().execution_options(**{BEGINS: "IMMEDIATE"}) as connection,
        connection.begin(),
    ):
        _lock_all(connection)
        if _are_usable(connection):  # another process was faster
            return
        if not inspect(connection).has_table(rollup_groups.name):
            rollups.drop(connection, checkfirst=True)  # nobody knows what they are sums of
        has_sums = not _missing_tables(connection) - {rollup_days.name}
        for table in _TABLES:
            table.create(connection, checkfirst=True)
        if not (has_sums and _are_usable(connection)):
            begin_rebuild(connection)


def _lock_all(connection: Connection) -> None:
    """Wait for transactions that have stored exchanges and not yet counted them, and lock both."""
    if connection.dialect.name == "postgresql":
        # In the order of those transactions, so that none waits for the other.
        connection.exec_driver_sql("LOCK TABLE ONLY exchanges IN SHARE MODE")
    lock_rollups(connection)


def _progress(connection: Connection, built_seq: int, target_seq: int) -> BuildProgress:
    oldest = connection.execute(select(func.min(exchanges.c.seq))).scalar()
    # Those before the oldest were deleted, and need not be added.
    deleted = 0 if oldest is None or oldest > target_seq else oldest - 1
    return BuildProgress(max(built_seq - deleted, 0), target_seq - deleted)


def _state(connection: Connection) -> Any:
    """Return the row of the state; opening the store again replaces one that was deleted."""
    state = connection.execute(select(rollup_state)).first()
    if state is None:
        raise StoreError("rollup_state is empty: the rollups have to be built anew", may_pass=True)
    return state


def _missing_tables(connection: Connection) -> set[str]:
    return {table.name for table in _TABLES} - set(inspect(connection).get_table_names())


def _are_usable(connection: Connection) -> bool:
    if _missing_tables(connection):
        return False
    return connection.execute(select(rollup_state.c.version)).scalars().all() == [VERSION]
