"""
What requests asked, for whoever looks for those of one program among all of a time.

Only the columns that say so are read, in pages, each in a short transaction of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import literal_column, select, tuple_

from proxy.traffic.content import decompress
from proxy.traffic.store.aggregates import ExampleKey
from proxy.traffic.store.filters import body_of_exchange
from proxy.traffic.store.schema import bodies, exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.stored_json import read_stored

_PAGE_ROWS: Final = 2_000
_BODIES: Final = 16
_REQUEST: Final = "legacy_in"

_columns: Final = exchanges.c
_has_request: Final = body_of_exchange(literal_column("1"), bodies.c.part == _REQUEST).exists()
_FEATURES: Final = msgspec.json.Decoder(tuple[str, ...])


class AskedRow(NamedTuple):
    """What an exchange's client asked; in the order of the columns that are read."""

    seq: int
    received_ms: int
    id: str
    caller: str | None
    caller_name: str | None
    features: str
    turns: int | None
    asked_model: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stops: int | None
    streamed: bool
    has_request: bool
    """True if the client's request was kept with what it says."""

    @property
    def key(self) -> ExampleKey:
        """The exchange, to read more of it."""
        return ExampleKey(self.id, self.received_ms)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features of the legacy API that it uses; none if they cannot be read."""
        return _features_of(self.features)


def asked_since(store: Store, since: int, *, page: int = _PAGE_ROWS) -> Iterator[AskedRow]:
    """Yield what was asked from a time on, in milliseconds, the newest first."""
    own = [_columns[name] for name in AskedRow._fields if name != "has_request"]
    query = select(*own, _has_request).where(_columns.received_ms >= since)
    query = query.order_by(_columns.received_ms.desc(), _columns.seq.desc()).limit(page)
    older = query
    while True:
        with store.engine.connect() as connection:
            rows = [AskedRow._make(row) for row in connection.execute(older)]
        yield from rows
        if len(rows) < page:
            return
        last = rows[-1]
        place = tuple_(_columns.received_ms, _columns.seq)
        # The second condition lets both engines look up the time in its index.
        older = query.where(
            place < (last.received_ms, last.seq), _columns.received_ms <= last.received_ms
        )


def requests_of(store: Store, keys: Sequence[ExampleKey]) -> Iterator[tuple[str, bytes]]:
    """Yield ids and requests as the clients sent them, but redacted; a few are read at a time."""
    for start in range(0, len(keys), _BODIES):
        some = keys[start : start + _BODIES]
        query = select(bodies.c.exchange_id, bodies.c.data).where(
            bodies.c.exchange_id.in_([key.id for key in some]),
            bodies.c.received_ms.in_([key.received_ms for key in some]),
            bodies.c.part == _REQUEST,
            bodies.c.data.is_not(None),
        )
        with store.engine.connect() as connection:
            rows = connection.execute(query).all()
        for exchange_id, data in rows:
            yield exchange_id, decompress(data)


@lru_cache(1_024)
def _features_of(written: str) -> tuple[str, ...]:
    return read_stored(_FEATURES, written) or ()
