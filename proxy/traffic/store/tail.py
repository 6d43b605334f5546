"""Follows a store: yields the exchanges that are loaded while an operator watches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import func, select

from proxy.traffic.store.filters import Filter, conditions_of
from proxy.traffic.store.queries import (
    PAGE_ROWS,
    FoundExchange,
    containing_text,
    list_exchanges,
    page_of_rows,
)
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store

_OVERLAP: Final = 10_000
"""Numbers `seq` behind the newest row that each poll looks at again."""
_TRIES: Final = 5
"""Polls for which a text is searched in a new exchange, whose contents may be loaded later."""

_columns: Final = exchanges.c


class Tail:
    """
    Follows the store: yields each exchange that is loaded from now on once.

    PostgreSQL assigns `seq` before a row becomes visible, so rows of two loaders may appear
    out of order, and contents are loaded after their records. So each poll looks again at
    the last `_OVERLAP` rows.
    """

    def __init__(self, store: Store, wanted: Filter) -> None:
        self._store = store
        self._conditions = conditions_of(wanted)
        self._wanted = wanted
        self._tries = 1 if wanted.text is None else _TRIES
        with store.engine.connect() as connection:
            highest = connection.execute(select(func.max(_columns.seq))).scalar()
        self._low = (highest or 0) - _OVERLAP
        self._tried = dict.fromkeys(self._recent(), self._tries)
        """Number of polls that looked at each recent `seq`."""

    def earlier(self, limit: int) -> Iterator[FoundExchange]:
        """Yield the last `limit` exchanges that were there at the start, or all if it is 0."""
        before = list_exchanges(self._store, self._wanted, limit)
        return (each for each in before if each.seq <= self._low or each.seq in self._tried)

    def poll(self) -> Iterator[FoundExchange]:
        """Yield the matching exchanges that are new since the last call."""
        recent = self._recent()
        self._tried = {seq: self._tried.get(seq, 0) + 1 for seq in recent}
        self._low = max([self._low, *(seq - _OVERLAP for seq in recent[-1:])])
        new = [seq for seq in recent if self._tried[seq] <= self._tries]
        for start in range(0, len(new), PAGE_ROWS):
            page = _columns.seq.in_(new[start : start + PAGE_ROWS])
            rows = page_of_rows(self._store, [*self._conditions, page], [_columns.seq])
            for found in containing_text(self._store, self._wanted, rows):
                self._tried[found.seq] = self._tries
                yield found

    def _recent(self) -> Sequence[int]:
        query = select(_columns.seq).where(_columns.seq > self._low).order_by(_columns.seq)
        with self._store.engine.connect() as connection:
            return connection.execute(query).scalars().all()
