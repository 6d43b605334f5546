"""
Write rollups in the transaction of the records that they count.

A group's row is read, added to, and written back. Nobody else may write it in between: on SQLite
the transaction sees to that, on PostgreSQL a lock that is held until it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import Connection, func, or_, select

from proxy.timestamps import DAY_MS, MINUTE_MS
from proxy.traffic.store.fingerprint import fingerprint_of
from proxy.traffic.store.insertion import Insertion, insert_rows, is_any_of
from proxy.traffic.store.partitions import between
from proxy.traffic.store.rollups.ledger import note_counted
from proxy.traffic.store.rollups.sketch import decode_sketch, encode_sketch
from proxy.traffic.store.rollups.sums import Bucket, GroupSum, Sums
from proxy.traffic.store.row_mapping import Row
from proxy.traffic.store.schema import (
    bodies,
    exchanges,
    rollup_groups,
    rollup_state,
    rollups,
    shadows,
)

_LOCK: Final = 0x524F4C4C
"""Key of the PostgreSQL advisory lock of transactions that write rollups."""
_SUMMED: Final = tuple(each.name for each in fields(GroupSum))
_CAPTURED: Final = bodies.c.part == "legacy_in", bodies.c.data.is_not(None)


@dataclass(frozen=True, slots=True)
class NewRows:
    """The rows that a transaction has added, by table."""

    exchanges: Sequence[Row]
    shadows: Sequence[Row]
    bodies: Sequence[Row]


def count_new_rows(connection: Connection, new: NewRows) -> None:
    """
    Add the new rows of this transaction to the rollups.

    A shadow and a request body are counted with their exchange, so whichever of the two is
    stored last has both counted. If the exchange is one that `build` will come to, so are they.
    """
    lock_rollups(connection)
    note_counted(connection, new.exchanges)
    sums = Sums(MINUTE_MS)
    count_exchanges(connection, sums, new.exchanges)
    counted = {exchange["id"] for exchange in new.exchanges}
    captured = {
        row["exchange_id"]: row["received_ms"]
        for row in new.bodies
        if row["part"] == "legacy_in"
        and row["data"] is not None
        and row["exchange_id"] not in counted
    }
    shadowed = [row for row in new.shadows if row["exchange_id"] not in counted]
    times = {row["exchange_id"]: row["ended_ms"] for row in shadowed} | captured
    earlier = _built(connection, times)
    for exchange_id in captured.keys() & earlier.keys():
        sums.add_captured(earlier[exchange_id])
    for row in shadowed:
        if (exchange := earlier.get(row["exchange_id"])) is not None:
            sums.add_shadow(exchange, row)
    add_sums(connection, sums)


def count_exchanges(connection: Connection, sums: Sums, rows: Sequence[Row]) -> None:
    """Count stored exchanges with all their shadows and request bodies that are stored."""
    if not rows:
        return
    by_id = {row["id"]: row for row in rows}
    for row in rows:
        sums.add_exchange(row)
    their_body = is_any_of(connection, bodies.c.exchange_id, by_id)
    is_near = between(bodies.c.received_ms, rows)
    kept = select(bodies.c.exchange_id).where(their_body, is_near, *_CAPTURED)
    for exchange_id in connection.execute(kept).scalars():
        sums.add_captured(by_id[exchange_id])
    their_shadow = is_any_of(connection, shadows.c.exchange_id, by_id)
    for shadow in connection.execute(select(shadows).where(their_shadow)):
        sums.add_shadow(by_id[shadow.exchange_id], shadow._asdict())


def add_sums(connection: Connection, sums: Sums) -> None:
    """Add sums to the rows of their groups."""
    if not sums.buckets:
        return
    stored = _stored(connection, sums)
    sums.limit(stored)
    rows: list[Row] = []
    described: set[int] = set()
    for bucket, groups in sums.buckets.items():
        there = stored.get(bucket, {})
        for key, group in groups.items():
            if (row := there.get(key)) is None:
                described.add(key)
                total = group
            else:
                total = group_sum_of(row)
                total.merge(group)
            rows.append(_row_of(bucket, sums.step_ms, key, total))
    if described:
        descriptions = [_description(key, sums) for key in described]
        insert_rows(connection, Insertion(rollup_groups), descriptions)
    insert_rows(connection, Insertion(rollups, replaced=_SUMMED), rows)


def group_sum_of(row: Mapping[str, Any]) -> GroupSum:
    """Return the sums in a row of `rollups`."""
    values = {name: row[name] for name in _SUMMED}
    values["latency"] = decode_sketch(row["latency"])
    return GroupSum(**values)


def exchange_row(row: Mapping[str, Any]) -> Row:
    """Return a stored row of `exchanges` with its shape as this version defines it."""
    return {**row, "shape": fingerprint_of(row)}


def lock_rollups(connection: Connection) -> None:
    """Keep other transactions from writing rollups until this one ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _stored(connection: Connection, sums: Sums) -> dict[Bucket, dict[int, Row]]:
    """Return the rows of all groups that are stored in the buckets, by key."""
    stored: dict[Bucket, dict[int, Row]] = {}
    for bucket in sums.buckets:
        query = select(rollups.c.key, *(rollups.c[name] for name in _SUMMED)).where(
            rollups.c.kind == bucket.kind.value,
            rollups.c.step_ms == sums.step_ms,
            rollups.c.begin_ms == bucket.begin_ms,
        )
        stored[bucket] = {row.key: row._asdict() for row in connection.execute(query)}
    return stored


def _description(key: int, sums: Sums) -> Row:
    described = sums.described[key]
    return {name: described.get(name) for name in rollup_groups.c.keys()}  # noqa: SIM118


def _row_of(bucket: Bucket, step_ms: int, key: int, group: GroupSum) -> Row:
    row: Row = {name: getattr(group, name) for name in _SUMMED}
    row["latency"] = encode_sketch(group.latency)
    place = {"kind": bucket.kind.value, "step_ms": step_ms, "begin_ms": bucket.begin_ms, "key": key}
    return place | row


def _built(connection: Connection, times_ms: Mapping[str, int]) -> dict[str, Row]:
    """Return those of the exchanges that are stored and counted, by id; times are about theirs."""
    if not times_ms:
        return {}
    columns, state = exchanges.c, rollup_state.c
    is_counted = or_(
        columns.seq <= state.built_seq,
        columns.seq > state.target_seq,
        columns.received_ms < state.from_ms,  # whose rollups a build leaves as they are
    )
    query = select(exchanges).join_from(exchanges, rollup_state, is_counted)
    is_near = columns.received_ms.between(
        min(times_ms.values()) - DAY_MS, max(times_ms.values()) + DAY_MS
    )
    found = connection.execute(query.where(columns.id.in_(times_ms), is_near)).all()
    if far := times_ms.keys() - {row.id for row in found}:
        # Not stored, not counted, or of a time that only a clock that jumped explains.
        found = [*found, *connection.execute(query.where(columns.id.in_(far)))]
    return {row.id: exchange_row(row._asdict()) for row in found}
