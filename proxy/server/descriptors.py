"""File descriptors: how many there are, and how many of them clients may have."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

import structlog

from proxy.server.resources import descriptor_limit

log = structlog.get_logger()

_RESERVED: Final = 64
"""Descriptors for all that is neither a client nor an upstream: the event loop, listening sockets,
the journal, notes that workers share, the log, look-ups of names, shadows. A worker that has
nothing to do has about 25 of them."""
_MAX_CONNECTIONS: Final = 20_000
"""More are refused whatever the limit is: an idle connection costs 2.5 KiB of memory, an incomplete
head 13 KiB more, and one event loop cannot serve so many that are not idle."""
FEW_CONNECTIONS: Final = 256


def raise_descriptor_limit() -> None:
    """Raise the soft limit of this process to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS refuses its own hard limit, which is infinite
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def warn_of_few_descriptors() -> None:
    """Log a limit that leaves room for few clients."""
    limit = descriptor_limit()
    if (connections := most_connections(limit)) < FEW_CONNECTIONS:
        log.warning("few_descriptors", limit=limit, connections=connections)


def most_connections(limit: int) -> int:
    """
    Return how many connections of clients a worker with this limit of descriptors may have.

    That is half of what is not reserved, because an upstream may be asked for each of them.
    """
    if limit == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(1, min((limit - _RESERVED) // 2, _MAX_CONNECTIONS))
