"""Single exchanges that stand for many: what is kept of them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from proxy.traffic.record import TrafficRecord
from proxy.traffic.store.queries import bodies_of
from proxy.traffic.store.row_mapping import exchange_of_row
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import decode_body


class StoredExample(NamedTuple):
    """An exchange, and the request of its client if that was captured."""

    record: TrafficRecord
    request: object | None


def example_at(store: Store, seq: int) -> StoredExample | None:
    """The exchange in this place in the order of loading; None: it is gone by now."""
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
