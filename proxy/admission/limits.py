"""Limits on the work that one worker takes on, and what they are derived from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

_MIB: Final = 1024 * 1024
_MAX_EXCHANGES: Final = 4_000
_MEMORY_PER_EXCHANGE: Final = _MIB
"""Bytes of the machine's memory for each exchange; a running stream takes about 0.1 MiB."""
_MAX_WAITING: Final = 2_000
_MAX_BODY_BYTES: Final = 256 * _MIB
_MEMORY_PER_BODY_BYTE: Final = 32
"""The share of memory that bodies may take is an eighth: a body is held about four times over,
as it came, decoded, as turns, and as the upstream's request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLimits:
    """The settings, for all workers together; None derives a limit from the machine."""

    exchanges: int | None = None
    exchanges_per_caller: int | None = None
    waiting: int | None = None
    max_wait: float = 10
    body_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The resources that all workers together, or each of them, may use."""

    connections: int
    """Connections of clients that one worker has descriptors for, with one upstream for each."""
    memory: int
    """Bytes of memory of the machine or its container."""
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on the exchanges of one worker."""

    exchanges: int
    """Exchanges that run at a time."""
    exchanges_per_caller: int
    """Exchanges of one caller that run at a time."""
    waiting: int
    """Exchanges that wait for others to end."""
    max_wait: float
    """Seconds that an exchange waits before it is refused."""
    body_bytes: int
    """Bytes of the bodies that are held at a time."""
    body_bytes_per_caller: int
    """Bytes of the bodies of one caller that are held at a time."""

    @property
    def most(self) -> int:
        """Exchanges that run or wait."""
        return self.exchanges + self.waiting

    @property
    def most_per_caller(self) -> int:
        """Exchanges of one caller that run or wait; half of the queue is for others."""
        return self.exchanges_per_caller + max(1, self.waiting // 2)

    @classmethod
    def derived(cls, asked: AskedLimits, machine: Machine) -> Self:
        """Return one worker's limits: its share of what is asked for, or of what there is."""
        workers = machine.workers
        remembered = machine.memory // _MEMORY_PER_EXCHANGE // workers
        derived = max(1, min(machine.connections, remembered, _MAX_EXCHANGES))
        exchanges = _share(asked.exchanges, workers) or derived
        per_caller = _share(asked.exchanges_per_caller, workers) or max(1, exchanges // 2)
        derived = min(_MAX_BODY_BYTES, machine.memory // _MEMORY_PER_BODY_BYTE) // workers
        body_bytes = _share(asked.body_bytes, workers) or derived
        return cls(
            exchanges=exchanges,
            exchanges_per_caller=min(per_caller, exchanges),
            waiting=_share(asked.waiting, workers) or min(exchanges, _MAX_WAITING),
            max_wait=asked.max_wait,
            body_bytes=body_bytes,
            body_bytes_per_caller=max(1, body_bytes // 2),
        )


def _share(setting: int | None, workers: int) -> int | None:
    """Return a worker's share of a setting, rounded up."""
    return None if setting is None else -(-setting // workers)
