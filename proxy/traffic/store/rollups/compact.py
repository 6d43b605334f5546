"""
Compact rollups: old minutes become hours, and old hours days.

One step moves one bucket of one kind in a transaction of a few milliseconds. A bucket that is
added to later, because a record came late, is moved again.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, func, select

from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS
from proxy.traffic.store.rollups.sums import Bucket, Kind, Sums
from proxy.traffic.store.rollups.write import add_sums, group_sum_of, lock_rollups
from proxy.traffic.store.schema import rollup_groups, rollups

KEPT_MS: Final = ((MINUTE_MS, HOUR_MS, 2 * HOUR_MS), (HOUR_MS, DAY_MS, 7 * DAY_MS))
"""From which step to which, and how long after the end of the coarser bucket: for that long,
reports can begin at any minute or hour."""


def compact_step(connection: Connection, now_ms: int) -> bool:
    """Move the oldest bucket that is due, in a transaction of the caller's; False if none is."""
    for kind in Kind:
        for fine_ms, coarse_ms, kept_ms in KEPT_MS:
            due_ms = (now_ms - kept_ms) // coarse_ms * coarse_ms
            if _move(connection, kind, fine_ms, coarse_ms, due_ms):
                return True
    return False


def _move(connection: Connection, kind: Kind, fine_ms: int, coarse_ms: int, due_ms: int) -> bool:
    column = rollups.c
    of_kind = (column.kind == kind.value, column.step_ms == fine_ms)
    oldest = select(func.min(column.begin_ms)).where(*of_kind)
    begin_ms = connection.execute(oldest).scalar()
    if begin_ms is None or begin_ms >= due_ms:
        return False
    lock_rollups(connection)
    within = (*of_kind, column.begin_ms == begin_ms)
    group = rollup_groups.c
    query = (
        select(rollups, group.is_other, group.caller_name, group.outcome)
        .join_from(rollups, rollup_groups, column.key == group.key)
        .where(*within)
    )
    sums = Sums(coarse_ms)
    coarser = Bucket(kind, begin_ms // coarse_ms * coarse_ms)
    for each in connection.execute(query):
        row = each._asdict()
        sums.described[row["key"]] = row
        sums.add(coarser, row["key"], group_sum_of(row))
    add_sums(connection, sums)
    connection.execute(delete(rollups).where(*within))
    return True
