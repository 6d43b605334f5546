"""
Questions to the store: which exchanges there were, and what was said in one.

All is read in pages, each in a short transaction of its own: a store is
larger than memory, and who follows it may not stand in the loader's way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select

from proxy.traffic.content import PARTS, Body
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.filters import Filter, conditions_of, has_contents
from proxy.traffic.store.row_mapping import Row, exchange_of_row, shadow_of_row
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_search import contains_text, decode_body, texts_of, texts_of_record

_PAGE: Final = 500
_BODIES: Final = 16
"""In memory at a time."""
_OVERLAP: Final = 10_000
_TRIES: Final = 5

_columns: Final = exchanges.c


class FoundExchange(NamedTuple):
    """An exchange, and its place in the order of loading."""

    seq: int
    record: TrafficRecord


def find(store: Store, wanted: Filter) -> Iterator[FoundExchange]:
    """All that are meant, oldest first; raises `InvalidFilter`."""
    for page in _pages(store, wanted, newest_first=False):
        yield from page


def latest(store: Store, wanted: Filter, limit: int) -> list[FoundExchange]:
    """The last so many of them, newest last; raises `InvalidFilter`."""
    found: list[FoundExchange] = []
    for page in _pages(store, wanted, newest_first=True):
        found += page
        if len(found) >= limit:
            break
    return found[:limit][::-1]


def list_exchanges(store: Store, wanted: Filter, limit: int) -> Iterable[FoundExchange]:
    """The last so many, or all if it is 0; newest last."""
    return latest(store, wanted, limit) if limit else find(store, wanted)


def has_contents_of(store: Store, wanted: Filter) -> bool:
    """Whether anything of what was said in the exchanges that are meant is kept."""
    kept = select(_columns.seq).where(*conditions_of(wanted), has_contents).limit(1)
    with store.engine.connect() as connection:
        return connection.execute(kept).first() is not None


def find_by_id(store: Store, name: str, most: int) -> list[TrafficRecord]:
    """Those with this id, of ours or of upstream; else those whose ids begin so."""
    ids = (_columns.id, _columns.request_id)
    begins_so = or_(*(column.startswith(name, autoescape=True) for column in ids))
    for condition in (*(column == name for column in ids), begins_so):
        query = select(exchanges).where(condition).order_by(_columns.seq).limit(most)
        with store.engine.connect() as connection:
            if rows := connection.execute(query).all():
                return [exchange_of_row(row._asdict()) for row in rows]
    return []


def shadows_of(store: Store, exchange_id: str) -> list[ShadowRecord]:
    """What its shadows came to."""
    query = select(shadows).where(shadows.c.exchange_id == exchange_id).order_by(shadows.c.leg)
    with store.engine.connect() as connection:
        return [shadow_of_row(row._asdict()) for row in connection.execute(query)]


def bodies_of(store: Store, exchange_id: str) -> list[Body]:
    """What is kept of what was said, in the order in which it was."""
    query = select(bodies).where(bodies.c.exchange_id == exchange_id)
    with store.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    kept = (Body(**{name: row[name] for name in Body.__struct_fields__}) for row in rows)
    return sorted(kept, key=lambda body: PARTS.index(body.part))


class Tail:
    """
    What is loaded from now on, each exchange once.

    PostgreSQL hands out `seq` before a row can be seen, so that of two loaders
    the second may be seen first; and contents come after their records. So each
    look goes back a little.
    """

    def __init__(self, store: Store, wanted: Filter) -> None:
        self._store = store
        self._conditions = conditions_of(wanted)
        self._wanted = wanted
        self._tries = 1 if wanted.text is None else _TRIES
        self._tried: dict[int, int] = {}
        with store.engine.connect() as connection:
            highest = connection.execute(select(func.max(_columns.seq))).scalar()
        self._low = (highest or 0) - _OVERLAP
        self._tried = dict.fromkeys(self._recent(), self._tries)

    def earlier(self, limit: int) -> Iterator[FoundExchange]:
        """The last so many that were there at the beginning, newest last; 0: all."""
        before = list_exchanges(self._store, self._wanted, limit)
        return (each for each in before if each.seq <= self._low or each.seq in self._tried)

    def poll(self) -> Iterator[FoundExchange]:
        """What has come since the last time."""
        recent = self._recent()
        self._tried = {seq: self._tried.get(seq, 0) + 1 for seq in recent}
        self._low = max([self._low, *(seq - _OVERLAP for seq in recent[-1:])])
        new = [seq for seq in recent if self._tried[seq] <= self._tries]
        for start in range(0, len(new), _PAGE):
            page = _columns.seq.in_(new[start : start + _PAGE])
            rows = _rows(self._store, [*self._conditions, page], [_columns.seq])
            for found in _meant(self._store, self._wanted, rows):
                self._tried[found.seq] = self._tries
                yield found

    def _recent(self) -> Sequence[int]:
        query = select(_columns.seq).where(_columns.seq > self._low).order_by(_columns.seq)
        with self._store.engine.connect() as connection:
            return connection.execute(query).scalars().all()


def _pages(store: Store, wanted: Filter, *, newest_first: bool) -> Iterator[list[FoundExchange]]:
    conditions = conditions_of(wanted)
    place = (_columns.received_ms, _columns.seq)
    order = [column.desc() if newest_first else column for column in place]
    rows = _rows(store, conditions, order)
    while rows:
        yield _meant(store, wanted, rows)
        beyond = _is_beyond(rows[-1], newest_first=newest_first)
        rows = _rows(store, [*conditions, beyond], order) if len(rows) == _PAGE else []


def _is_beyond(row: Row, *, newest_first: bool) -> ColumnElement[bool]:
    """Further in the order than this row; the first half is what an index helps with."""
    time, seq = row["received_ms"], row["seq"]
    if newest_first:
        return and_(
            _columns.received_ms <= time, or_(_columns.received_ms < time, _columns.seq < seq)
        )
    return and_(_columns.received_ms >= time, or_(_columns.received_ms > time, _columns.seq > seq))


def _rows(
    store: Store, conditions: Sequence[ColumnElement[bool]], order: Sequence[ColumnElement[Any]]
) -> list[Row]:
    query = select(exchanges).where(*conditions).order_by(*order).limit(_PAGE)
    with store.engine.connect() as connection:
        return [row._asdict() for row in connection.execute(query)]


def _meant(store: Store, wanted: Filter, rows: Sequence[Row]) -> list[FoundExchange]:
    """Those among the rows in which the text that is looked for was really said."""
    found = [FoundExchange(row["seq"], exchange_of_row(row)) for row in rows]
    if wanted.text is None:
        return found
    saying = {
        each.record.id for each in found if contains_text(wanted.text, texts_of_record(each.record))
    }
    saying |= _saying(store, wanted.text, {each.record.id for each in found} - saying)
    return [each for each in found if each.record.id in saying]


def _saying(store: Store, text: str, among: set[str]) -> set[str]:
    """Those in whose contents it was said; of these only a few are in memory at a time."""
    query = (
        select(bodies.c.exchange_id, bodies.c.data)
        .where(bodies.c.exchange_id.in_(among), bodies.c.data.is_not(None))
        .execution_options(yield_per=_BODIES)
    )
    with store.engine.connect() as connection:
        return {
            exchange_id
            for exchange_id, data in connection.execute(query)
            if contains_text(text, texts_of(decode_body(data)))
        }
