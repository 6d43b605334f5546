"""Reads single exchanges that serve as examples in reports."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, select

from proxy.traffic.record import MadeAdjustment, TrafficRecord
from proxy.traffic.store.aggregates import ExampleKey
from proxy.traffic.store.queries import bodies_of
from proxy.traffic.store.row_mapping import exchange_of_row
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.stored_json import read_stored
from proxy.traffic.store.text_search import decode_body

_ADJUSTMENTS: Final = msgspec.json.Decoder(tuple[MadeAdjustment, ...])


@dataclass(frozen=True, slots=True)
class StoredExample:
    """An exchange, and the client's request if it was captured."""

    record: TrafficRecord
    request: object | None


def example_of(store: Store, key: ExampleKey) -> StoredExample | None:
    """Return an exchange; None if it was deleted meanwhile."""
    with store.engine.connect() as connection:
        query = select(exchanges).where(*_is_one_of([key]))
        row = connection.execute(query).first()
    if row is None:
        return None
    record = exchange_of_row(row._asdict())
    for body in bodies_of(store, record):
        if body.part == "legacy_in" and body.data is not None:
            return StoredExample(record, decode_body(body.data))
    return StoredExample(record, None)


def adjustments_of_exchanges(
    store: Store, keys: Collection[ExampleKey]
) -> dict[str, tuple[MadeAdjustment, ...]]:
    """Return the adjustments of those of the exchanges that are still there, by id."""
    query = select(exchanges.c.id, exchanges.c.adjustments).where(*_is_one_of(keys))
    with store.engine.connect() as connection:
        rows = connection.execute(query).all()
    # One that cannot be read is no example.
    return {name: read_stored(_ADJUSTMENTS, written) or () for name, written in rows}


def _is_one_of(keys: Collection[ExampleKey]) -> tuple[ColumnElement[bool], ...]:
    # Their times let PostgreSQL look at few days.
    times = exchanges.c.received_ms.in_([key.received_ms for key in keys])
    return exchanges.c.id.in_([key.id for key in keys]), times
