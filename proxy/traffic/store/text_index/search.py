"""Searches the text index: where a text may be, and where everything has to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, select

from proxy.traffic.content import decompress
from proxy.traffic.store.rollups.build import ALWAYS_MS
from proxy.traffic.store.schema import exchanges, text_blocks, text_postings
from proxy.traffic.store.text_index.blocks import VERSION, covering, may_read_index, places_of
from proxy.traffic.store.text_index.trigrams import (
    PAIRS,
    Trigram,
    documents_with,
    pair_of,
    wanted_trigrams,
)

_BLOCKS: Final = 32
"""Blocks that are looked up at a time."""
_IDS: Final = msgspec.msgpack.Decoder(list[str])


@dataclass(frozen=True, slots=True)
class Span:
    """A time, and those of its exchanges that may contain a text; None: all of them may."""

    begin_ms: int | None
    end_ms: int | None
    among: AbstractSet[str] | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on rows of `exchanges`."""
        if self.begin_ms is not None:
            yield exchanges.c.received_ms >= self.begin_ms
        if self.end_ms is not None:
            yield exchanges.c.received_ms < self.end_ms
        if self.among is not None:
            yield exchanges.c.id.in_(self.among)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a time, and the block that covers it, if one does."""

    begin_ms: int | None
    end_ms: int | None
    block: int | None


def spans_with(
    engine: Engine, text: str, since_ms: int | None, until_ms: int | None, *, newest_first: bool
) -> Iterator[Span]:
    """Yield where exchanges with a text may be, in order; together all exchanges that have it."""
    wanted = wanted_trigrams(text)
    parts = _parts(engine, wanted, since_ms, until_ms)
    ordered = parts[::-1] if newest_first else parts
    for is_covered, some in groupby(ordered, key=lambda part: part.block is not None):
        neighbours = list(some)
        if not is_covered:
            yield from (Span(part.begin_ms, part.end_ms) for part in neighbours)
            continue
        for start in range(0, len(neighbours), _BLOCKS):
            yield from _candidates(engine, wanted, neighbours[start : start + _BLOCKS])


def uncovered_spans(
    engine: Engine, text: str, since_ms: int | None, until_ms: int | None
) -> list[Span]:
    """Return the times in which a search for a text reads everything."""
    parts = _parts(engine, wanted_trigrams(text), since_ms, until_ms)
    return [Span(part.begin_ms, part.end_ms) for part in parts if part.block is None]


def _parts(
    engine: Engine, wanted: Sequence[Trigram], since_ms: int | None, until_ms: int | None
) -> list[_Part]:
    """Divide a time by the blocks that are there, oldest first."""
    earliest = ALWAYS_MS if since_ms is None else since_ms
    latest = -ALWAYS_MS if until_ms is None else until_ms
    columns = text_blocks.c
    blocks = (
        select(columns.begin_ms, columns.end_ms, columns.block)
        .where(columns.version == VERSION, covering(earliest, latest))
        .order_by(columns.end_ms)
    )
    with engine.connect() as connection:
        may_read = bool(wanted) and may_read_index(connection)
        found = connection.execute(blocks).all() if may_read else []
    parts: list[_Part] = []
    begin_ms = since_ms
    for block_begin, block_end, block in found:
        if earliest < block_begin:
            parts.append(_Part(begin_ms, block_begin, None))
            begin_ms = block_begin
        parts.append(_Part(begin_ms, min(latest, block_end), block))
        begin_ms = earliest = block_end
    if earliest < latest:
        parts.append(_Part(begin_ms, until_ms, None))
    return parts


def _candidates(
    engine: Engine, wanted: Sequence[Trigram], parts: Sequence[_Part]
) -> Iterator[Span]:
    """Yield the exchanges of some blocks that may contain the text."""
    blocks = [part.block for part in parts if part.block is not None]
    with engine.connect() as connection:
        postings = _postings(connection, wanted, blocks)
        # After the postings: who deletes those deletes the block, which is then read as a whole.
        columns = text_blocks.c
        noted = select(columns.block, columns.ids, columns.late).where(columns.block.in_(blocks))
        rows = {block: (ids, late) for block, ids, late in connection.execute(noted)}
    for part in parts:
        among: AbstractSet[str] | None = None
        if part.block is not None and part.block in rows:
            ids, late = rows[part.block]
            with suppress(msgspec.MsgspecError):  # damaged, so that everything is read
                numbers = documents_with(wanted, postings.get(part.block, {}))
                names = _IDS.decode(decompress(ids)) if numbers else []
                among = {*(names[number] for number in numbers), *late.split()}
        if among is None or among:
            yield Span(part.begin_ms, part.end_ms, among)


def _postings(
    connection: Connection, wanted: Sequence[Trigram], blocks: Sequence[int]
) -> dict[int, dict[int, bytes]]:
    """Return the rows of postings of each block that matter for the text, by pair."""
    pairs = {pair_of(trigram) for trigram in wanted}
    places = [place for block in blocks for place in places_of(block, pairs)]
    rows = select(text_postings).where(text_postings.c.place.in_(places))
    postings: dict[int, dict[int, bytes]] = {}
    for place, row in connection.execute(rows):
        block, pair = divmod(place, PAIRS)
        postings.setdefault(block, {})[pair] = row
    return postings
