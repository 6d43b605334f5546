"""Rows of an export: the fields of a record, by name."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from proxy.traffic.record import TrafficRecord
from proxy.traffic.store.days import Record

Row: TypeAlias = dict[str, Any]


def row_of(record: Record) -> Row:
    """Return the fields of a record."""
    if isinstance(record, TrafficRecord):
        return record.as_fields()
    return msgspec.structs.asdict(record)
