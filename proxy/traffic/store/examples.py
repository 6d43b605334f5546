"""Reads single exchanges that serve as examples in reports."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import select

from proxy.traffic.record import MadeAdjustment, TrafficRecord
from proxy.traffic.store.queries import bodies_of
from proxy.traffic.store.row_mapping import exchange_of_row
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import decode_body

_ADJUSTMENTS: Final = msgspec.json.Decoder(tuple[MadeAdjustment, ...])


@dataclass(frozen=True, slots=True)
class StoredExample:
    """An exchange, and the client's request if it was captured."""

    record: TrafficRecord
    request: object | None


def example_of(store: Store, exchange_id: str) -> StoredExample | None:
    """Return the exchange with this id; None if it was deleted meanwhile."""
    with store.engine.connect() as connection:
        query = select(exchanges).where(exchanges.c.id == exchange_id)
        row = connection.execute(query).first()
    if row is None:
        return None
    record = exchange_of_row(row._asdict())
    for body in bodies_of(store, record.id):
        if body.part == "legacy_in" and body.data is not None:
            return StoredExample(record, decode_body(body.data))
    return StoredExample(record, None)


def adjustments_of_exchanges(
    store: Store, ids: Collection[str]
) -> dict[str, tuple[MadeAdjustment, ...]]:
    """Return the adjustments of those of the exchanges that are still there, by id."""
    query = select(exchanges.c.id, exchanges.c.adjustments).where(exchanges.c.id.in_(ids))
    with store.engine.connect() as connection:
        return {name: _ADJUSTMENTS.decode(made) for name, made in connection.execute(query)}
