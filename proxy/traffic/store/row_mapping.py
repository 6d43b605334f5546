"""
Conversion between records and rows of the store.

A record survives the round trip unchanged, except for values that no database accepts and
that clients can send: null characters in texts and integers of more than 64 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, get_args

import msgspec

from proxy.traffic.content import Content
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.fingerprint import fingerprint_of
from proxy.traffic.store.stored_json import UNREADABLE, UNREADABLE_COMPARISON, read_comparison

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
    try:
        for name in _LISTS:
            fields[name] = msgspec.json.decode(row[name])
        return msgspec.convert({"type": "exchange", **fields}, TrafficRecord)
    except UNREADABLE:
        return _readable_part({**fields, **{name: row[name] for name in _LISTS}})


def _readable_part(stored: Row) -> TrafficRecord:
    """Return a record without those values that have another shape; its failure names them."""
    lost: list[str] = []
    fields: Row = {}
    for each in msgspec.structs.fields(TrafficRecord):
        name, value = each.name, stored[each.name]
        try:
            if name in _LISTS:
                value = msgspec.json.decode(value)
            fields[name] = msgspec.convert(value, each.type)
        except UNREADABLE as exc:
            if name not in _LISTS and type(None) not in get_args(each.type):
                raise StoreError(
                    f"the record of {stored['id']} cannot be read: {name} has another shape than "
                    "this version of Holdover writes"
                ) from exc
            fields[name] = () if name in _LISTS else None
            lost.append(name)
    said = f"{' and '.join(lost)} of this record cannot be read"
    fields["failure"] = f"{fields['failure']}; {said}" if fields["failure"] else said
    return TrafficRecord(**fields)


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
    failure, comparison = failure_and_comparison(row["failure"], row["comparison"])
    return ShadowRecord(
        id=row["exchange_id"],
        ended=moment_of(row["ended_ms"]),
        leg=row["leg"],
        rule=row["rule"],
        failure=failure,
        comparison=comparison,
    )


def failure_and_comparison(
    failure: str | None, written: str | None
) -> tuple[str | None, Mapping[str, object] | None]:
    """Return why there is nothing to compare, or the comparison that a column has."""
    if written is None:
        return failure, None
    if read_comparison(written) is None:
        return failure or UNREADABLE_COMPARISON, None
    return failure, msgspec.json.decode(written)


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
