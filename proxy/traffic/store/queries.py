"""
Queries for exchanges and for the bodies and shadows of one exchange.

Exchanges are read in pages, each in a short transaction of its own, because a store may be
larger than memory and a long read would hinder the loader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, and_, or_, select

from proxy.traffic.content import PARTS, Body
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.filters import Filter, conditions_of, has_contents
from proxy.traffic.store.partitions import between
from proxy.traffic.store.row_mapping import Row, exchange_of_row, milliseconds_of, shadow_of_row
from proxy.traffic.store.schema import bodies, exchanges, rollup_groups, shadows
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import contains_text, decode_body, texts_of, texts_of_record

PAGE_ROWS: Final = 500
"""Limit on the exchanges that a query reads in one transaction."""
_BODIES: Final = 16
"""Number of bodies in memory at a time."""

_columns: Final = exchanges.c


@dataclass(frozen=True, slots=True)
class FoundExchange:
    """An exchange, and its place `seq` in the order of loading."""

    seq: int
    record: TrafficRecord


def find(store: Store, wanted: Filter) -> Iterator[FoundExchange]:
    """Yield all exchanges that match the filter, oldest first; raises `InvalidFilter`."""
    for page in _pages(store, wanted, newest_first=False):
        yield from page


def latest(store: Store, wanted: Filter, limit: int) -> list[FoundExchange]:
    """Return the last `limit` exchanges that match, newest last; raises `InvalidFilter`."""
    found: list[FoundExchange] = []
    for page in _pages(store, wanted, newest_first=True):
        found += page
        if len(found) >= limit:
            break
    return found[:limit][::-1]


def list_exchanges(store: Store, wanted: Filter, limit: int) -> Iterable[FoundExchange]:
    """Return the last `limit` exchanges that match, or all if it is 0; newest last."""
    return latest(store, wanted, limit) if limit else find(store, wanted)


def has_contents_of(store: Store, wanted: Filter) -> bool:
    """Return True if a body of any matching exchange is kept."""
    matching = select(_columns.seq).where(*conditions_of(wanted), has_contents)
    kept = matching.order_by(_columns.received_ms.desc()).limit(1)
    with store.engine.connect() as connection:
        return connection.execute(kept).first() is not None


def names_in(store: Store, column: Literal["caller_name", "rule"]) -> list[str]:
    """Return all names of callers or rules that are in the rollups."""
    group = rollup_groups.c[column]
    names = select(group).where(group.is_not(None)).distinct()
    with store.engine.connect() as connection:
        return list(connection.execute(names).scalars())


def find_by_id(store: Store, name: str, most: int) -> list[TrafficRecord]:
    """
    Return at most `most` records by id.

    The id may be ours or the upstream's; if none equals `name`, ids that start with it match,
    with or without their `req_`.
    """
    ids = (_columns.id, _columns.request_id)
    beginnings = (name, f"req_{name}")
    has_prefix = or_(
        *(column.startswith(begin, autoescape=True) for column in ids for begin in beginnings)
    )
    for condition in (*(column == name for column in ids), has_prefix):
        query = select(exchanges).where(condition).order_by(_columns.seq).limit(most)
        with store.engine.connect() as connection:
            if rows := connection.execute(query).all():
                return [exchange_of_row(row._asdict()) for row in rows]
    return []


def shadows_of(store: Store, exchange_id: str) -> list[ShadowRecord]:
    """Return the records of an exchange's shadows."""
    query = select(shadows).where(shadows.c.exchange_id == exchange_id).order_by(shadows.c.leg)
    with store.engine.connect() as connection:
        return [shadow_of_row(row._asdict()) for row in connection.execute(query)]


def bodies_of(store: Store, record: TrafficRecord) -> list[Body]:
    """Return the kept bodies of an exchange, in the order of `PARTS`."""
    is_of_day = bodies.c.received_ms == milliseconds_of(record.received)
    query = select(bodies).where(bodies.c.exchange_id == record.id, is_of_day)
    with store.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    kept = (Body(**{name: row[name] for name in Body.__struct_fields__}) for row in rows)
    return sorted(kept, key=lambda body: PARTS.index(body.part))


def _pages(store: Store, wanted: Filter, *, newest_first: bool) -> Iterator[list[FoundExchange]]:
    conditions = conditions_of(wanted)
    place = (_columns.received_ms, _columns.seq)
    order = [column.desc() if newest_first else column for column in place]
    rows = page_of_rows(store, conditions, order)
    while rows:
        yield containing_text(store, wanted, rows)
        time, seq = rows[-1]["received_ms"], rows[-1]["seq"]
        # The first comparison lets the engine use the index.
        if newest_first:
            follows = or_(_columns.received_ms < time, _columns.seq < seq)
            beyond = and_(_columns.received_ms <= time, follows)
        else:
            follows = or_(_columns.received_ms > time, _columns.seq > seq)
            beyond = and_(_columns.received_ms >= time, follows)
        rows = page_of_rows(store, [*conditions, beyond], order) if len(rows) == PAGE_ROWS else []


def page_of_rows(
    store: Store, conditions: Sequence[ColumnElement[bool]], order: Sequence[ColumnElement[Any]]
) -> list[Row]:
    query = select(exchanges).where(*conditions).order_by(*order).limit(PAGE_ROWS)
    with store.engine.connect() as connection:
        return [row._asdict() for row in connection.execute(query)]


def containing_text(store: Store, wanted: Filter, rows: Sequence[Row]) -> list[FoundExchange]:
    """Return the exchanges of the rows that really contain the text of the filter."""
    found = [FoundExchange(row["seq"], exchange_of_row(row)) for row in rows]
    if wanted.text is None:
        return found
    matching = {
        each.record.id for each in found if contains_text(wanted.text, texts_of_record(each.record))
    }
    left = [row for row in rows if row["id"] not in matching]
    matching |= _ids_with_text(store, wanted.text, left)
    return [each for each in found if each.record.id in matching]


def _ids_with_text(store: Store, text: str, among: Sequence[Row]) -> set[str]:
    """Return the ids of rows whose bodies contain the text, reading a few bodies at a time."""
    if not among:
        return set()
    of_them = bodies.c.exchange_id.in_([row["id"] for row in among])
    query = (
        select(bodies.c.exchange_id, bodies.c.data)
        .where(of_them, between(bodies.c.received_ms, among), bodies.c.data.is_not(None))
        .execution_options(yield_per=_BODIES)
    )
    with store.engine.connect() as connection:
        return {
            exchange_id
            for exchange_id, data in connection.execute(query)
            if contains_text(text, texts_of(decode_body(data)))
        }
