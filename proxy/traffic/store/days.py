"""
Records by UTC day, in the order of their times, for a copy of the store that somebody else reads.

Days and records are found over the index on a time, and read in pages, each in a short
transaction of its own: a day may be larger than memory. Records that are loaded meanwhile may be
missed; the number of records of the day then says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, Table, func, select, tuple_

from proxy.timestamps import DAY_MS
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.row_mapping import exchange_of_row, moment_of, shadow_of_row
from proxy.traffic.store.schema import exchanges, shadows
from proxy.traffic.store.store import Store

_PAGE_ROWS: Final = 1_000

Record: TypeAlias = TrafficRecord | ShadowRecord


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A kind of records: its table, and the columns that its records are in the order of."""

    table: Table
    time: Column[int]
    key: tuple[Column[Any], ...]
    """Tells records of the same time apart."""
    record_type: type[Record]
    record_of: Callable[[Mapping[str, Any]], Record]

    @property
    def name(self) -> str:
        """The name of the records in the plural."""
        return self.table.name


KINDS: Final = (
    RecordKind(
        exchanges,
        time=exchanges.c.received_ms,
        key=(exchanges.c.seq,),
        record_type=TrafficRecord,
        record_of=exchange_of_row,
    ),
    RecordKind(
        shadows,
        time=shadows.c.ended_ms,
        key=(shadows.c.exchange_id, shadows.c.leg),
        record_type=ShadowRecord,
        record_of=shadow_of_row,
    ),
)


@dataclass(frozen=True, slots=True)
class Day:
    """The records of one kind of a day, and how many they are."""

    kind: RecordKind
    begin_ms: int
    rows: int

    @property
    def date(self) -> str:
        """The day in ISO 8601."""
        return moment_of(self.begin_ms).partition("T")[0]


def days_of(store: Store, kind: RecordKind, since_ms: int, until_ms: int) -> Iterator[Day]:
    """Yield the days from `since_ms` to before `until_ms` of which there are records."""
    time = kind.time
    begin_ms = since_ms // DAY_MS * DAY_MS
    while begin_ms < until_ms:
        first = select(func.min(time)).where(time >= begin_ms, time < until_ms)
        with store.engine.connect() as connection:
            first_ms = connection.execute(first).scalar()
            if first_ms is None:
                return
            begin_ms = first_ms // DAY_MS * DAY_MS
            within = (time >= begin_ms, time < begin_ms + DAY_MS)
            rows = connection.execute(select(func.count()).where(*within)).scalar_one()
        yield Day(kind, begin_ms, rows)
        begin_ms += DAY_MS


def pages_of(store: Store, day: Day) -> Iterator[list[Record]]:
    """Yield the records of a day, oldest first."""
    kind = day.kind
    place = (kind.time, *kind.key)
    within = select(kind.table).where(kind.time < day.begin_ms + DAY_MS).order_by(*place)
    page = within.where(kind.time >= day.begin_ms)
    while True:
        with store.engine.connect() as connection:
            rows = [row._asdict() for row in connection.execute(page.limit(_PAGE_ROWS))]
        if rows:
            yield [kind.record_of(row) for row in rows]
        if len(rows) < _PAGE_ROWS:
            return
        last = tuple(rows[-1][column.name] for column in place)
        # The first comparison lets the engine use the index.
        page = within.where(kind.time >= last[0], tuple_(*place) > last)
