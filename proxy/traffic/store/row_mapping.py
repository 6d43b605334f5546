"""
Conversion between records and rows of the store.

A record survives the round trip unchanged, except for values that no database accepts and
that clients can send: null characters in texts and integers of more than 64 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec

from proxy.traffic.content import Content
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.fingerprint import fingerprint_of

Row: TypeAlias = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LISTS: Final = ("features", "adjustments")
_MAX: Final = 2**63 - 1


def milliseconds_of(moment: str) -> int:
    """Return a time in ISO 8601 as milliseconds since the epoch."""
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(milliseconds=1)


def moment_of(milliseconds: int) -> str:
    """Return milliseconds since the epoch as ISO 8601 in UTC."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")


def row_of_exchange(record: TrafficRecord) -> Row:
    """Return the row of `exchanges` for a record."""
    row = msgspec.structs.asdict(record)
    row["received_ms"] = milliseconds_of(row.pop("received"))
    row["blame"] = record.blame.value
    row["outcome"] = record.outcome.value
    for name in _LISTS:
        row[name] = msgspec.json.encode(row[name]).decode()
    stored = _storable(row)
    stored["shape"] = fingerprint_of(stored)
    return stored


def exchange_of_row(row: Mapping[str, Any]) -> TrafficRecord:
    """Return the record of a row of `exchanges`."""
    fields: Row = {name: row[name] for name in TrafficRecord.__struct_fields__ if name in row}
    fields["received"] = moment_of(row["received_ms"])
    for name in _LISTS:
        fields[name] = msgspec.json.decode(row[name])
    return msgspec.convert({"type": "exchange", **fields}, TrafficRecord)


def row_of_shadow(record: ShadowRecord) -> Row:
    """Return the row of `shadows` for a record."""
    compared = record.comparison
    row = {
        "exchange_id": record.id,
        "leg": record.leg,
        "ended_ms": milliseconds_of(record.ended),
        "rule": record.rule,
        "failure": record.failure,
        "comparison": None if compared is None else msgspec.json.encode(compared).decode(),
    }
    return _storable(row)


def shadow_of_row(row: Mapping[str, Any]) -> ShadowRecord:
    """Return the record of a row of `shadows`."""
    compared = row["comparison"]
    return ShadowRecord(
        id=row["exchange_id"],
        ended=moment_of(row["ended_ms"]),
        leg=row["leg"],
        rule=row["rule"],
        failure=row["failure"],
        comparison=None if compared is None else msgspec.json.decode(compared),
    )


def rows_of_content(content: Content) -> list[Row]:
    """Return the rows of `bodies` for the contents of an exchange."""
    received_ms = milliseconds_of(content.received)
    return [
        {"exchange_id": content.id, "received_ms": received_ms, **msgspec.structs.asdict(body)}
        for body in content.bodies
    ]


def _storable(row: Row) -> Row:
    """Replace what no database accepts, in place."""
    for name, value in row.items():
        kind = type(value)
        if kind is str:
            if "\0" in value:
                row[name] = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        elif kind is int and not -_MAX <= value <= _MAX:
            row[name] = _MAX if value > 0 else -_MAX
    return row
