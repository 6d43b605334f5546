"""
How many exchanges of each day rollups should hold, counted beside them in the same transactions.

So rollups that somebody deleted are missed. Those whose records are there are built again; of the
others it stays known how many were lost, and on which days, until they would have been too old.
Times before 1970, which only a wrong clock explains, are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Connection, cast, delete, func, select, text

from proxy.timestamps import DAY_MS
from proxy.traffic.store.insertion import Insertion, insert_rows
from proxy.traffic.store.rollups.period import Period
from proxy.traffic.store.rollups.sums import Kind
from proxy.traffic.store.row_mapping import Row, moment_of
from proxy.traffic.store.schema import exchanges, rollup_days, rollup_groups, rollups

_ADD: Final = text(
    "INSERT INTO rollup_days (day, exchanges) VALUES (:day, :exchanges) ON CONFLICT (day)"
    " DO UPDATE SET exchanges = rollup_days.exchanges + excluded.exchanges"
)
_REPLACE: Final = Insertion(rollup_days, replaced=("exchanges",))
ALL: Final = Period(0, 2**62)


@dataclass(frozen=True, slots=True)
class DayCount:
    """Exchanges of a day, which is numbered since the epoch: in the ledger, and in rollups."""

    day: int
    counted: int
    summed: int

    @property
    def date(self) -> str:
        """The day in ISO 8601."""
        return moment_of(self.day * DAY_MS).partition("T")[0]

    @property
    def missing(self) -> int:
        """Number of exchanges that were counted and are in no rollup."""
        return max(self.counted - self.summed, 0)


def note_counted(connection: Connection, rows: Sequence[Row]) -> None:
    """Note exchanges that the transaction counts for the first time."""
    days = Counter(row["received_ms"] // DAY_MS for row in rows)
    for day, count in sorted(days.items()):
        connection.execute(_ADD, {"day": day, "exchanges": count})


def note_expired(connection: Connection, until_ms: int) -> None:
    """Forget what was counted up to a time whose rollups the transaction has deleted."""
    day = until_ms // DAY_MS
    connection.execute(delete(rollup_days).where(rollup_days.c.day <= day))
    if left := _summed(connection, Period(day * DAY_MS, (day + 1) * DAY_MS)).get(day):
        note(connection, [DayCount(day, left, left)])


def note(connection: Connection, days: Sequence[DayCount]) -> None:
    """Note what rollups hold of some days, instead of what was noted of them."""
    if days:
        rows = [{"day": each.day, "exchanges": each.summed} for each in days]
        insert_rows(connection, _REPLACE, rows)


def different_days(connection: Connection, period: Period = ALL) -> list[DayCount]:
    """Return the days that a period touches of which ledger and rollups differ, oldest first."""
    first, last = period.begin_ms // DAY_MS, (period.end_ms - 1) // DAY_MS
    within = Period(max(first, 0) * DAY_MS, (last + 1) * DAY_MS)
    noted = select(rollup_days).where(rollup_days.c.day.between(max(first, 0), last))
    counted = {row.day: row.exchanges for row in connection.execute(noted)}
    summed = _summed(connection, within)
    found = (
        DayCount(day, counted.get(day, 0), summed.get(day, 0))
        for day in sorted(counted.keys() | summed.keys())
    )
    return [each for each in found if each.counted != each.summed]


def agrees_with_records(connection: Connection, day: int, from_ms: int) -> bool:
    """Say whether rollups hold as many exchanges of a day as are stored, both from a time on."""
    period = Period(max(day * DAY_MS, from_ms), (day + 1) * DAY_MS)
    received = exchanges.c.received_ms
    stored = select(func.count()).where(received >= period.begin_ms, received < period.end_ms)
    return connection.execute(stored).scalar_one() == _summed(connection, period).get(day, 0)


def _summed(connection: Connection, period: Period) -> dict[int, int]:
    """Return the exchanges of each day in rollups of which it is known what they sum up."""
    day = (rollups.c.begin_ms // DAY_MS).label("day")
    count = cast(func.sum(rollups.c.exchanges), BigInteger)
    query = (
        select(day, count)
        .join_from(rollups, rollup_groups, rollups.c.key == rollup_groups.c.key)
        .where(period.contains_bucket(Kind.SHAPE))
        .group_by(day)
    )
    return {number: count for number, count in connection.execute(query) if count}
