"""
What heads cost before they are complete: little for each connection, and not too much in all.

A connection that has sent nothing costs 2.5 KiB. Until its head is complete the
bytes of it are kept, at most 144 KiB (`uvicorn_protocol`), and an object for
each of at most 100 headers, some 12 KiB. All incomplete heads of a worker may
cost 16 MiB. A head that arrives in one piece, as nearly all do, is never counted.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

MAX_PARTIAL_BYTES: Final = 16 * 1024 * 1024
"""Limit on the cost of all incomplete heads: a hundred of the largest, or thousands."""
_HEADER_COST_BYTES: Final = 128
"""Cost of a header besides its bytes: a tuple, two byte strings, a place in a list."""

Connection = TypeVar("Connection")


class PartialHeads(Generic[Connection]):
    """The connections of a worker whose heads are incomplete, the one that began first at first."""

    def __init__(self, max_bytes: int = MAX_PARTIAL_BYTES) -> None:
        self._max_bytes = max_bytes
        self._costs: dict[Connection, int] = {}
        self._total = 0

    def set(self, connection: Connection, received: int, headers: int) -> list[Connection]:
        """
        Note what a head costs so far; return the connections to refuse, so that all fit.

        These are the ones whose heads began first: an honest head is complete after a moment.
        """
        cost = received + headers * _HEADER_COST_BYTES
        self._total += cost - self._costs.get(connection, 0)
        self._costs[connection] = cost
        refused: list[Connection] = []
        left = self._total
        for oldest, freed in self._costs.items():
            if left <= self._max_bytes:
                break
            refused.append(oldest)
            left -= freed
        return refused

    def remove(self, connection: Connection) -> None:
        """Forget a connection whose head is complete, or no longer wanted."""
        self._total -= self._costs.pop(connection, 0)
