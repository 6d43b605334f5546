"""
Builds the blocks of the text index, the newest day first, beside the loading of new records.

Work that is interrupted leaves no trace: a block is read in short steps, then written in one
transaction, if nothing was added to its time or deleted from it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

import msgspec
from sqlalchemy import Connection, func, insert, select

from proxy.timestamps import DAY_MS, MINUTE_MS
from proxy.traffic.content import compress
from proxy.traffic.store.filters import body_of_exchange
from proxy.traffic.store.insertion import Insertion, insert_rows
from proxy.traffic.store.partitions import between
from proxy.traffic.store.rollups.build import ALWAYS_MS
from proxy.traffic.store.rollups.write import lock_rollups
from proxy.traffic.store.row_mapping import Row, exchange_of_row
from proxy.traffic.store.schema import bodies, exchanges, text_blocks, text_postings
from proxy.traffic.store.text_index.blocks import VERSION, covering
from proxy.traffic.store.text_index.trigrams import (
    PAIRS,
    Trigram,
    encode_postings,
    trigrams_of,
)
from proxy.traffic.store.text_search import decode_body, texts_of, texts_of_record

_SETTLED_MS: Final = 5 * MINUTE_MS
"""Age of exchanges that get into a block, so that few of their neighbours are still to come."""
_MAX_EXCHANGES: Final = 1024
_MAX_BYTES: Final = 16 * 1024 * 1024
"""Limit on the bytes of bodies in a block of more than one exchange."""
_PAGE: Final = 32
"""Exchanges that a step reads, in about 30 ms."""
_BODIES: Final = 16
"""Number of bodies in memory at a time."""

_time: Final = exchanges.c.received_ms


@dataclass(slots=True)
class BlockBuilder:
    """Builds the block of all exchanges from `begin_ms` until before `end_ms`."""

    begin_ms: int
    end_ms: int
    _rows: tuple[int, int]
    """Numbers of exchanges and bodies of that time."""
    _left: list[Row]
    """Ids and times of the exchanges that are still to be read."""
    _ids: list[str] = field(default_factory=list[str])
    _postings: dict[Trigram, list[int]] = field(default_factory=dict[Trigram, list[int]])
    _encoded: dict[int, bytes] = field(default_factory=dict[int, bytes])

    @classmethod
    def next(cls, connection: Connection, now_ms: int) -> Self | None:
        """Begin with the next block that is due, in a transaction for reading; None if none is."""
        span = _next_span(connection, now_ms - _SETTLED_MS)
        if span is None:
            return None
        query = select(exchanges.c.id, _time).where(_time >= span[0], _time < span[1])
        rows = connection.execute(query.order_by(_time, exchanges.c.seq))
        return cls(*span, _count(connection, *span), [row._asdict() for row in rows])

    @property
    def is_read(self) -> bool:
        """True if all exchanges have been read, and the block can be written."""
        return not self._left

    def read(self, connection: Connection) -> None:
        """Read some exchanges with their bodies."""
        page, self._left = self._left[:_PAGE], self._left[_PAGE:]
        for exchange_id, texts in _texts(connection, page):
            number = len(self._ids)
            self._ids.append(exchange_id)
            for trigram in trigrams_of(texts):
                if (numbers := self._postings.get(trigram)) is None:
                    self._postings[trigram] = [number]
                else:
                    numbers.append(number)
        if self.is_read:
            self._encoded = encode_postings(self._postings)

    def write(self, connection: Connection) -> bool:
        """
        Store the block, in a transaction of the caller's that may write.

        Returns False if it would not be whole, or if another loader was faster.
        """
        span = self.begin_ms, self.end_ms
        lock_rollups(connection)  # which everybody holds who has added what is not visible yet
        is_taken = connection.execute(select(text_blocks.c.block).where(covering(*span))).first()
        if is_taken is not None or _count(connection, *span) != self._rows:
            return False
        block = {
            "begin_ms": self.begin_ms,
            "end_ms": self.end_ms,
            "version": VERSION,
            "bodies": self._rows[1],
            "ids": compress(msgspec.msgpack.encode(self._ids)),
            "late": "",
        }
        inserted = insert(text_blocks).returning(text_blocks.c.block)
        begin = connection.execute(inserted, block).scalar_one() * PAIRS
        rows = [{"place": begin + pair, "postings": row} for pair, row in self._encoded.items()]
        insert_rows(connection, Insertion(text_postings), rows)
        return True


def _next_span(connection: Connection, until_ms: int) -> tuple[int, int] | None:
    """Return the time of the next block, of one day or less."""
    blocks = select(text_blocks.c.begin_ms, text_blocks.c.end_ms)
    covered = connection.execute(blocks.order_by(text_blocks.c.end_ms.desc())).all()
    end_ms = until_ms
    for begin, end in [*covered, (ALWAYS_MS, ALWAYS_MS)]:
        # Most blocks begin where the one before ends, so nothing is looked for between them.
        while end < end_ms and (newest := _newest(connection, end, end_ms)) is not None:
            day_ms = newest // DAY_MS * DAY_MS
            first_ms = max(end, day_ms)
            bound_ms = min(end_ms, day_ms + DAY_MS)
            cut_ms = _cut(connection, first_ms, bound_ms)
            if cut_ms is not None or bound_ms < until_ms:
                before = _newest(connection, end, first_ms)
                return end if before is None else before + 1, cut_ms or bound_ms
            end_ms = first_ms  # the exchanges of today are too few yet
        end_ms = min(end_ms, begin)
    return None


def _newest(connection: Connection, begin_ms: int, end_ms: int) -> int | None:
    newest = select(func.max(_time)).where(_time >= begin_ms, _time < end_ms)
    found: int | None = connection.execute(newest).scalar()
    return found


def _cut(connection: Connection, begin_ms: int, end_ms: int) -> int | None:
    """Return when a block has to end because it is full; None if there is room for all."""
    size = body_of_exchange(func.coalesce(func.sum(bodies.c.size), 0)).scalar_subquery()
    within = select(_time, size).where(_time >= begin_ms, _time < end_ms)
    total = 0
    times: list[int] = []
    for time_ms, size_of_bodies in connection.execute(
        within.order_by(_time).limit(_MAX_EXCHANGES + 1)
    ):
        total += size_of_bodies
        if times and (len(times) == _MAX_EXCHANGES or total > _MAX_BYTES):
            return max(int(time_ms), times[0] + 1)  # exchanges of the same time stay together
        times.append(time_ms)
    return None


def _count(connection: Connection, begin_ms: int, end_ms: int) -> tuple[int, int]:
    exchanged, kept = (
        connection.execute(select(func.count()).where(time >= begin_ms, time < end_ms)).scalar_one()
        for time in (_time, bodies.c.received_ms)
    )
    return exchanged, kept


def _texts(connection: Connection, page: list[Row]) -> Iterator[tuple[str, list[str]]]:
    """Yield the exchanges that are still there, with all their texts."""
    names = [row["id"] for row in page]
    records = select(exchanges).where(exchanges.c.id.in_(names), between(_time, page))
    kept = (
        select(bodies.c.exchange_id, bodies.c.data)
        .where(bodies.c.exchange_id.in_(names), between(bodies.c.received_ms, page))
        .where(bodies.c.data.is_not(None))
        .execution_options(yield_per=_BODIES)
    )
    texts = {
        row.id: list(texts_of_record(exchange_of_row(row._asdict())))
        for row in connection.execute(records)
    }
    for exchange_id, data in connection.execute(kept):
        if exchange_id in texts:
            texts[exchange_id].extend(texts_of(decode_body(data)))
    yield from texts.items()
