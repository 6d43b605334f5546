"""
Periods that consist of whole time buckets.

Rollups cannot tell what happened within a bucket, so a period begins and ends where buckets do:
at a full minute, or hours or a day earlier or later where minutes have been compacted.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select

from proxy.timestamps import MINUTE_MS
from proxy.traffic.store.rollups.sums import STEPS_MS, Kind
from proxy.traffic.store.schema import rollups


@dataclass(frozen=True, slots=True)
class Period:
    """From `begin_ms` until just before `end_ms`; no bucket crosses either."""

    begin_ms: int
    end_ms: int

    def contains_bucket(self, kind: str) -> ColumnElement[bool]:
        """Match the rows of one kind of groups within the period."""
        column = rollups.c
        # Every step is named, so that the engine finds the rows in the primary key.
        return and_(
            column.kind == kind,
            column.step_ms.in_(STEPS_MS),
            column.begin_ms >= self.begin_ms,
            column.begin_ms < self.end_ms,
        )


def period_of_buckets(connection: Connection, since_ms: int, until_ms: int) -> Period:
    """Return the shortest period of whole buckets that contains the given one."""
    return Period(_floor_ms(connection, since_ms), ceiling_ms(connection, until_ms))


def ceiling_ms(connection: Connection, time_ms: int) -> int:
    """Return the first time from this one on that is within no bucket."""
    end = -(-time_ms // MINUTE_MS) * MINUTE_MS
    for step in STEPS_MS[1:]:
        begin = (end - 1) // step * step
        if _has_bucket(connection, step, begin):
            end = begin + step
    return end


def _floor_ms(connection: Connection, time_ms: int) -> int:
    begin = time_ms // MINUTE_MS * MINUTE_MS
    for step in STEPS_MS[1:]:
        coarser = begin // step * step
        if _has_bucket(connection, step, coarser):
            begin = coarser
    return begin


def _has_bucket(connection: Connection, step_ms: int, begin_ms: int) -> bool:
    column = rollups.c
    # Every kind is named for the primary key, which begins with it.
    is_there = (column.kind.in_([*Kind]), column.step_ms == step_ms, column.begin_ms == begin_ms)
    return connection.execute(select(column.kind).where(*is_there).limit(1)).first() is not None
