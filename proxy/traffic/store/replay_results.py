"""
The store as a replay uses it: exchanges left to replay, and results.

An exchange can be replayed if its request and its complete answer were captured in full.
Results are kept under the name of the replay, so that an interrupted replay can continue;
exchanges that failed for a reason that may have passed are tried again by the next run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    not_,
    select,
    tuple_,
)

from proxy.traffic.content import decompress
from proxy.traffic.record import TrafficRecord
from proxy.traffic.store.filters import Filter, conditions_of
from proxy.traffic.store.insertion import Insertion, insert_rows
from proxy.traffic.store.replay_conditions import (
    BODIES,
    HAS_CONTENT,
    INPUT,
    MAX_OUTPUT,
    MAY_PASS,
    OUTPUT,
    WAS_ANSWERED,
)
from proxy.traffic.store.row_mapping import exchange_of_row, failure_and_comparison
from proxy.traffic.store.schema import exchanges, replays
from proxy.traffic.store.store import Store

_PAGE: Final = 16
"""Exchanges per page, few because each comes with its bodies."""
_RESULTS: Final = 1_000
"""Results, or exchanges without their bodies, per page."""
_RESULT: Final = ("done_ms", "failure", "comparison", "tokens")


class RemainingExchange(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange left to replay, and an estimate of the tokens needed."""

    record: TrafficRecord
    input_tokens: float
    output_tokens: float
    most_output_tokens: float
    """Output tokens if the answer is as long as the request allows."""


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of exchanges found, already replayed, and unusable."""

    exchanges: int
    unanswered: int
    """Exchanges without a complete answer to compare with."""
    without_content: int
    """Exchanges whose bodies were not captured in full."""
    done: int


class RecordedExchange(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded exchange with its compressed bodies."""

    record: TrafficRecord
    tokens: float
    """Estimated tokens of replaying it."""
    legacy_in: bytes
    legacy_back: bytes

    def texts(self) -> tuple[bytes, bytes]:
        """Return the decompressed request and answer."""
        return decompress(self.legacy_in), decompress(self.legacy_back)


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of replaying one exchange."""

    id: str
    failure: str | None
    comparison: Mapping[str, Any] | None
    """The fields of a `Comparison`; None if there is a failure."""
    tokens: float
    """Tokens used, as counted by the upstream if it counts them."""


@dataclass(frozen=True, slots=True)
class ReplayStore:
    """The store as used by one replay."""

    store: Store = field(repr=False)
    name: str
    wanted: Filter = field(default_factory=Filter)
    limit: int | None = None
    """Limit on exchanges, including those already replayed; the newest are taken."""

    def plan(self) -> ReplayPlan:
        """Count the exchanges to replay, without reading bodies."""
        numbers = select(
            func.count(),
            func.count(case((not_(WAS_ANSWERED), 1))),
            func.count(case((and_(WAS_ANSWERED, not_(HAS_CONTENT)), 1))),
        ).where(*conditions_of(self.wanted))
        with self.store.engine.connect() as connection:
            found, unanswered, without_content = connection.execute(numbers).one()
        return ReplayPlan(
            exchanges=found,
            unanswered=unanswered,
            without_content=without_content,
            done=self._done(),
        )

    def remaining(self) -> Iterator[RemainingExchange]:
        """Yield the exchanges left to replay, newest first, without reading bodies."""
        needed = (INPUT.label("given"), OUTPUT.label("taken"), MAX_OUTPUT.label("most"))
        for rows in self._pages_of(self._left(*exchanges.c, *needed), _RESULTS):
            for row in rows:
                yield RemainingExchange(
                    record=exchange_of_row(row._asdict()),
                    input_tokens=row.given,
                    output_tokens=row.taken,
                    most_output_tokens=row.most,
                )

    def begin(self) -> None:
        """Delete results that this run repeats; raises `StoreError` if the store is read-only."""
        with self.store.engine.begin() as connection:
            connection.execute(delete(replays).where(self._is_ours(), MAY_PASS))

    def used(self) -> float:
        """Return the tokens used in all runs so far."""
        return self._number(select(func.sum(replays.c.tokens)).where(self._is_ours()))

    def pages(self) -> Iterator[list[RecordedExchange]]:
        """Yield pages of exchanges left to replay, newest first; each is read on demand."""
        left = self._left(*exchanges.c, (INPUT + OUTPUT).label("tokens"), *BODIES)
        for rows in self._pages_of(left, _PAGE):
            yield [
                RecordedExchange(
                    record=exchange_of_row(row._asdict()),
                    tokens=row.tokens,
                    legacy_in=row.legacy_in,
                    legacy_back=row.legacy_back,
                )
                for row in rows
            ]

    def keep(self, results: Sequence[ReplayResult]) -> None:
        """Store all results or none; a later result of an exchange replaces an earlier one."""
        now = time.time_ns() // 1_000_000
        rows = [
            {
                "replay": self.name,
                "exchange_id": result.id,
                "done_ms": now,
                "failure": result.failure,
                "comparison": None
                if result.comparison is None
                else msgspec.json.encode(result.comparison).decode(),
                "tokens": result.tokens,
            }
            for result in results
        ]
        with self.store.engine.begin() as connection:
            insert_rows(connection, Insertion(replays, replaced=_RESULT), rows)

    def results(self) -> Iterator[ReplayResult]:
        """Yield all stored results in the order of exchange ids, read in pages on demand."""
        query = select(replays).where(self._is_ours()).order_by(replays.c.exchange_id)
        after = ""
        while True:
            with self.store.engine.connect() as connection:
                page = query.where(replays.c.exchange_id > after).limit(_RESULTS)
                rows = connection.execute(page).all()
            if not rows:
                return
            for row in rows:
                failure, comparison = failure_and_comparison(row.failure, row.comparison)
                yield ReplayResult(
                    id=row.exchange_id,
                    failure=failure,
                    comparison=comparison,
                    tokens=row.tokens,
                )
            after = rows[-1].exchange_id

    def _done(self) -> int:
        return int(self._number(select(func.count()).where(self._is_ours(), not_(MAY_PASS))))

    def _number(self, query: Select[Any]) -> float:
        with self.store.engine.connect() as connection:
            return connection.execute(query).scalar_one() or 0

    def _left(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select exchanges that can be replayed and compared and have no result yet."""
        is_done = exists().where(
            self._is_ours(), replays.c.exchange_id == exchanges.c.id, not_(MAY_PASS)
        )
        return (
            select(*columns)
            .where(*conditions_of(self.wanted), WAS_ANSWERED, HAS_CONTENT, not_(is_done))
            .order_by(exchanges.c.received_ms.desc(), exchanges.c.seq.desc())
        )

    def _pages_of(self, left: Select[Any], size: int) -> Iterator[Sequence[Row[Any]]]:
        room = None if self.limit is None else max(0, self.limit - self._done())
        place = exchanges.c.received_ms, exchanges.c.seq
        query = left
        while room is None or room > 0:
            with self.store.engine.connect() as connection:
                most = size if room is None else min(size, room)
                rows = connection.execute(query.limit(most)).all()
            if not rows:
                return
            yield rows
            room = None if room is None else room - len(rows)
            last = rows[-1].received_ms, rows[-1].seq
            # The first comparison lets the engine use the index.
            query = left.where(place[0] <= last[0], tuple_(*place) < last)

    def _is_ours(self) -> ColumnElement[bool]:
        return replays.c.replay == self.name
