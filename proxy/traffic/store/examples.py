"""Reads single exchanges that serve as examples in reports."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from proxy.traffic.record import TrafficRecord
from proxy.traffic.store.queries import bodies_of
from proxy.traffic.store.row_mapping import exchange_of_row
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import decode_body


@dataclass(frozen=True, slots=True)
class StoredExample:
    """An exchange, and the client's request if it was captured."""

    record: TrafficRecord
    request: object | None


def example_at(store: Store, seq: int) -> StoredExample | None:
    """Return the exchange with this `seq`; None if it was deleted meanwhile."""
    with store.engine.connect() as connection:
        query = select(exchanges).where(exchanges.c.seq == seq)
        row = connection.execute(query).first()
    if row is None:
        return None
    record = exchange_of_row(row._asdict())
    for body in bodies_of(store, record.id):
        if body.part == "legacy_in" and body.data is not None:
            return StoredExample(record, decode_body(body.data))
    return StoredExample(record, None)
