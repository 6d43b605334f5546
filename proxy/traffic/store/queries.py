"""
Queries for exchanges and for the bodies and shadows of one exchange.

Exchanges are read in pages, each in a short transaction of its own, because a store may be
larger than memory and a long read would hinder the loader.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, and_, func, or_, select

from proxy.traffic.content import PARTS, SHADOW_PARTS, Body
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.aggregates import NOBODY
from proxy.traffic.store.filters import Filter, conditions_of, has_contents
from proxy.traffic.store.partitions import between
from proxy.traffic.store.rollups.build import ALWAYS_MS
from proxy.traffic.store.row_mapping import Row, exchange_of_row, milliseconds_of, shadow_of_row
from proxy.traffic.store.schema import bodies, exchanges, rollup_groups, shadows
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_index.search import Span, spans_with, uncovered_spans
from proxy.traffic.store.text_search import contains_text, decode_body, texts_of, texts_of_record

PAGE_ROWS: Final = 500
"""Limit on the exchanges that a query reads in one transaction."""
_BODIES: Final = 16
"""Number of bodies in memory at a time."""
_ORDER: Final = (*PARTS, *SHADOW_PARTS.values())

_columns: Final = exchanges.c

Observer: TypeAlias = Callable[[int], None]
"""Called with the number of exchanges whose bodies have been read."""


@dataclass(frozen=True, slots=True)
class FoundExchange:
    """An exchange, and its place `seq` in the order of loading."""

    seq: int
    record: TrafficRecord


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of exchanges: by time, then by the order of loading."""

    received_ms: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePage:
    """Some exchanges that match a filter, newest first."""

    found: tuple[FoundExchange, ...]
    older: Place | None
    """The place before which there are more; None if these are the last."""


def find(store: Store, wanted: Filter, observe: Observer | None = None) -> Iterator[FoundExchange]:
    """Yield all exchanges that match the filter, oldest first; raises `InvalidFilter`."""
    for page in _pages(store, wanted, observe, newest_first=False):
        yield from page


def latest(
    store: Store, wanted: Filter, limit: int, observe: Observer | None = None
) -> list[FoundExchange]:
    """Return the last `limit` exchanges that match, newest last; raises `InvalidFilter`."""
    found: list[FoundExchange] = []
    for page in _pages(store, wanted, observe, newest_first=True):
        found += page
        if len(found) >= limit:
            break
    return found[:limit][::-1]


def page_before(store: Store, wanted: Filter, place: Place | None, rows: int) -> ExchangePage:
    """
    Return the newest `rows` exchanges that match, of those before a place if there is one.

    The work does not depend on how far back the place is; raises `InvalidFilter`.
    """
    found: list[FoundExchange] = []
    # One more tells whether there are more. For a text, whole pages of rows are searched.
    at_once = rows + 1 if wanted.text is None else PAGE_ROWS
    for page in _pages(store, wanted, None, newest_first=True, before=place, at_once=at_once):
        found += page
        if len(found) > rows:
            break
    shown = tuple(found[:rows])
    return ExchangePage(found=shown, older=_place_of(shown[-1]) if len(found) > rows else None)


def _place_of(found: FoundExchange) -> Place:
    return Place(milliseconds_of(found.record.received), found.seq)


def list_exchanges(
    store: Store, wanted: Filter, limit: int, observe: Observer | None = None
) -> Iterable[FoundExchange]:
    """Return the last `limit` exchanges that match, or all if it is 0; newest last."""
    return latest(store, wanted, limit, observe) if limit else find(store, wanted, observe)


def unindexed_contents(store: Store, wanted: Filter, at_most: int) -> int:
    """Return the number of exchanges whose bodies a search reads one by one; `at_most` so many."""
    if wanted.text is None:
        return 0
    others = conditions_of(replace(wanted, text=None, since=None, until=None))
    total = 0
    with store.engine.connect() as connection:
        for span in uncovered_spans(store.engine, wanted.text, wanted.since, wanted.until):
            kept = select(_columns.seq).where(*others, *span.conditions(), has_contents)
            some = kept.limit(at_most - total).subquery()
            total += connection.execute(select(func.count()).select_from(some)).scalar_one()
    return total


def has_contents_of(store: Store, wanted: Filter) -> bool:
    """
    Return True if a body is kept of any exchange that matches, whatever its text.

    Where no bodies are kept at all, that is found without a look at the exchanges.
    """
    others = replace(wanted, text=None)
    time = bodies.c.received_ms
    begin_ms = ALWAYS_MS if wanted.since is None else wanted.since
    end_ms = -ALWAYS_MS if wanted.until is None else wanted.until
    within = (time >= begin_ms, time < end_ms)
    any_body = select(time).where(bodies.c.data.is_not(None), *within).order_by(time.desc())
    matching = select(_columns.seq).where(*conditions_of(others), has_contents)
    newest = matching.order_by(_columns.received_ms.desc())
    with store.engine.connect() as connection:
        return all(
            connection.execute(query.limit(1)).first() is not None for query in (any_body, newest)
        )


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


def latest_of_caller(
    store: Store, caller: str, digests: Collection[str], span: Span, most: int
) -> list[TrafficRecord]:
    """
    Return the last exchanges of exactly one caller, newest first.

    It is given by its name, by its whole digest, or as `NOBODY`; `digests` are its own, too,
    where they have no name.
    """
    keys = [_columns.caller.in_([caller, *digests])]
    if caller == NOBODY:
        keys.append(_columns.caller.is_(None))
    is_its = or_(_columns.caller_name == caller, and_(_columns.caller_name.is_(None), or_(*keys)))
    order = (_columns.received_ms.desc(), _columns.seq.desc())
    query = select(exchanges).where(*span.conditions(), is_its).order_by(*order).limit(most)
    with store.engine.connect() as connection:
        return [exchange_of_row(row._asdict()) for row in connection.execute(query)]


def shadows_of(store: Store, exchange_id: str) -> list[ShadowRecord]:
    """Return the records of an exchange's shadows."""
    query = select(shadows).where(shadows.c.exchange_id == exchange_id).order_by(shadows.c.leg)
    with store.engine.connect() as connection:
        return [shadow_of_row(row._asdict()) for row in connection.execute(query)]


def bodies_of(store: Store, record: TrafficRecord) -> list[Body]:
    """Return the kept bodies of an exchange in their order: those of its shadows come last."""
    is_of_day = bodies.c.received_ms == milliseconds_of(record.received)
    query = select(bodies).where(bodies.c.exchange_id == record.id, is_of_day)
    with store.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    kept = (Body(**{name: row[name] for name in Body.__struct_fields__}) for row in rows)
    return sorted(kept, key=_place_of_part)


def _place_of_part(body: Body) -> int:
    # A later version may have stored parts that this one does not know.
    return _ORDER.index(body.part) if body.part in _ORDER else len(_ORDER)


def _pages(  # noqa: PLR0913 - how pages are read, each by its name
    store: Store,
    wanted: Filter,
    observe: Observer | None,
    *,
    newest_first: bool,
    before: Place | None = None,
    at_once: int = PAGE_ROWS,
) -> Iterator[list[FoundExchange]]:
    conditions = conditions_of(replace(wanted, since=None, until=None))
    begin_ms, end_ms = wanted.since, wanted.until
    if before is not None:
        follows, end_ms = _older_than(before, end_ms)
        conditions.append(follows)
    spans: Iterable[Span] = [Span(begin_ms, end_ms)]
    if wanted.text is not None:
        times = begin_ms, end_ms
        spans = spans_with(store.engine, wanted.text, *times, newest_first=newest_first)
    for span in spans:
        pages = _pages_of_rows(store, conditions, span, at_once, newest_first=newest_first)
        for rows in pages:
            yield containing_text(store, wanted, rows, None if span.among else observe)


def _pages_of_rows(
    store: Store,
    conditions: Sequence[ColumnElement[bool]],
    span: Span,
    at_once: int,
    *,
    newest_first: bool,
) -> Iterator[list[Row]]:
    place = (_columns.received_ms, _columns.seq)
    order = [column.desc() if newest_first else column for column in place]
    rows = page_of_rows(store, [*conditions, *span.conditions()], order, at_once)
    while rows:
        yield rows
        if len(rows) < at_once:
            return
        time, seq = rows[-1]["received_ms"], rows[-1]["seq"]
        # SQLite looks up one bound in the index, so that a second one beside it could be in vain.
        if newest_first:
            follows, end_ms = _older_than(Place(time, seq), span.end_ms)
            span = replace(span, end_ms=end_ms)
        else:
            span = replace(span, begin_ms=time)
            follows = or_(_columns.received_ms > time, _columns.seq > seq)
        rows = page_of_rows(store, [*conditions, *span.conditions(), follows], order, at_once)


def _older_than(place: Place, end_ms: int | None) -> tuple[ColumnElement[bool], int]:
    """Return what is true of exchanges before a place, and the end of their time."""
    after_it = place.received_ms + 1
    follows = or_(_columns.received_ms < place.received_ms, _columns.seq < place.seq)
    return follows, after_it if end_ms is None else min(end_ms, after_it)


def page_of_rows(
    store: Store,
    conditions: Sequence[ColumnElement[bool]],
    order: Sequence[ColumnElement[Any]],
    most: int = PAGE_ROWS,
) -> list[Row]:
    query = select(exchanges).where(*conditions).order_by(*order).limit(most)
    with store.engine.connect() as connection:
        return [row._asdict() for row in connection.execute(query)]


def containing_text(
    store: Store, wanted: Filter, rows: Sequence[Row], observe: Observer | None = None
) -> list[FoundExchange]:
    """Return the exchanges of the rows that really contain the text of the filter."""
    found = [FoundExchange(row["seq"], exchange_of_row(row)) for row in rows]
    if wanted.text is None:
        return found
    matching = {
        each.record.id for each in found if contains_text(wanted.text, texts_of_record(each.record))
    }
    left = [row for row in rows if row["id"] not in matching]
    having, read = _ids_with_text(store, wanted.text, left)
    if observe is not None:
        observe(read)
    return [each for each in found if each.record.id in matching | having]


def _ids_with_text(store: Store, text: str, among: Sequence[Row]) -> tuple[set[str], int]:
    """
    Return the ids of rows whose bodies contain the text, and of how many rows there are bodies.

    A few bodies are read at a time.
    """
    if not among:
        return set(), 0
    of_them = bodies.c.exchange_id.in_([row["id"] for row in among])
    query = (
        select(bodies.c.exchange_id, bodies.c.data)
        .where(of_them, between(bodies.c.received_ms, among), bodies.c.data.is_not(None))
        .execution_options(yield_per=_BODIES)
    )
    has_text: dict[str, bool] = {}
    with store.engine.connect() as connection:
        for exchange_id, data in connection.execute(query):
            if not has_text.get(exchange_id):
                has_text[exchange_id] = contains_text(text, texts_of(decode_body(data)))
    return {exchange_id for exchange_id, has in has_text.items() if has}, len(has_text)
