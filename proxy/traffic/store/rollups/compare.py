"""
Compare rollups with the records that they sum up.

All days are compared by their number of exchanges, and single time buckets in every figure. Times
before the first record that is still stored are left out, where only rollups are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, cast, func, select

from proxy.timestamps import DAY_MS, MINUTE_MS
from proxy.traffic.store.rollups.build import first_comparable_ms
from proxy.traffic.store.rollups.period import Period, period_of_buckets
from proxy.traffic.store.rollups.sums import GroupSum, Kind, Sums
from proxy.traffic.store.rollups.write import count_exchanges, exchange_row, group_sum_of
from proxy.traffic.store.schema import exchanges, rollup_groups, rollups

_FIGURES: Final = (
    *("exchanges", "first_ms", "last_ms", "input_tokens", "output_tokens"),
    *("similarity", "equal", "latency"),
)
"""Not the number of captured bodies, because those are deleted before their records."""
_ROWS: Final = 500
_PRECISION: Final = 1e-9
"""Sums of fractions depend on their order."""

_Key = tuple[Kind, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that rollups and records tell differently."""

    period: Period
    figure: str
    in_rollups: Any
    in_records: Any
    kind: Kind = Kind.SHAPE
    group: int | None = None
    """Key of the group; None if the figure is of all groups."""


def compare_days(connection: Connection) -> Iterator[Difference]:
    """Compare how many exchanges there were on each day."""
    begin_ms = first_comparable_ms(connection)
    day = (exchanges.c.received_ms // DAY_MS).label("day")
    recorded = _by_day(
        connection,
        select(day, func.count()).where(exchanges.c.received_ms >= begin_ms).group_by("day"),
    )
    day = (rollups.c.begin_ms // DAY_MS).label("day")
    count = cast(func.sum(rollups.c.exchanges), BigInteger)
    is_compared = (rollups.c.kind == Kind.SHAPE, rollups.c.begin_ms >= begin_ms)
    summed = _by_day(connection, select(day, count).where(*is_compared).group_by("day"))
    for number in sorted(recorded.keys() | summed.keys()):
        found = summed.get(number, 0), recorded.get(number, 0)
        if found[0] != found[1]:
            period = Period(number * DAY_MS, (number + 1) * DAY_MS)
            yield Difference(period, "exchanges", *found)


def comparable_periods(connection: Connection) -> list[Period]:
    """Return the time buckets of which all records are still stored, oldest first."""
    column = rollups.c
    query = (
        select(column.step_ms, column.begin_ms)
        .where(column.kind == Kind.SHAPE, column.begin_ms >= first_comparable_ms(connection))
        .distinct()
    )
    # A late record has a minute of its own within a longer bucket.
    periods = {
        period_of_buckets(connection, begin_ms, begin_ms + step_ms)
        for step_ms, begin_ms in connection.execute(query).all()
    }
    return sorted(periods, key=lambda period: period.begin_ms)


def compare_period(connection: Connection, period: Period) -> Iterator[Difference]:
    """Compare every figure of every group in a period of whole buckets."""
    summed, is_limited = _in_rollups(connection, period)
    recorded = _in_records(connection, period)
    if is_limited:  # only the sums of all groups can be compared
        summed, recorded = _all_together(summed), _all_together(recorded)
    nothing = GroupSum(first_ms=0, last_ms=0)
    for kind, key in sorted(summed.keys() | recorded.keys()):
        found = summed.get((kind, key), nothing), recorded.get((kind, key), nothing)
        for figure in _FIGURES:
            in_rollups, in_records = (getattr(each, figure) for each in found)
            if not _is_same(in_rollups, in_records):
                group = None if is_limited else key
                yield Difference(period, figure, in_rollups, in_records, kind, group)


def _by_day(connection: Connection, query: Any) -> dict[int, int]:
    return {day: count for day, count in connection.execute(query) if count}


def _in_rollups(connection: Connection, period: Period) -> tuple[dict[_Key, GroupSum], bool]:
    """Return the sums of all groups, and whether some are in the one called other."""
    found: dict[_Key, GroupSum] = {}
    is_limited = False
    for kind in Kind:
        query = (
            select(rollups, rollup_groups.c.is_other)
            .join_from(rollups, rollup_groups, rollups.c.key == rollup_groups.c.key)
            .where(period.contains_bucket(kind))
        )
        for row in connection.execute(query):
            is_limited = is_limited or row.is_other
            _merge(found, (kind, row.key), group_sum_of(row._asdict()))
    return found, is_limited


def _in_records(connection: Connection, period: Period) -> dict[_Key, GroupSum]:
    received = exchanges.c.received_ms
    query = (
        select(exchanges)
        .where(received >= period.begin_ms, received < period.end_ms)
        .execution_options(yield_per=_ROWS)
    )
    found: dict[_Key, GroupSum] = {}
    for rows in connection.execute(query).partitions():
        sums = Sums(MINUTE_MS)
        count_exchanges(connection, sums, [exchange_row(row._asdict()) for row in rows])
        for bucket, groups in sums.buckets.items():
            for key, group in groups.items():
                _merge(found, (bucket.kind, key), group)
    return found


def _merge(found: dict[_Key, GroupSum], key: _Key, group: GroupSum) -> None:
    if key in found:
        found[key].merge(group)
    else:
        found[key] = group


def _all_together(sums: Mapping[_Key, GroupSum]) -> dict[_Key, GroupSum]:
    whole: dict[_Key, GroupSum] = {}
    for (kind, _), group in sums.items():
        _merge(whole, (kind, 0), group)
    return whole


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=_PRECISION)
    return bool(one == other)
