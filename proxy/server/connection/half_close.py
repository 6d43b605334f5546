"""
Tell a client that has only ended its sending from one that has left.

Both begin with the same FIN. `nc -N` and some old clients send it right behind their
request and wait for the answer; most others have closed, and what upstream goes on
to write for them is paid for nothing. A client that has closed answers whatever it
is sent with a reset, so it is sent something that changes nothing: an interim
response, which every client of HTTP/1.1 has to pass over (RFC 9110, section 15.2).
One of HTTP/1.0 may not get any; its FIN belongs to its request if it comes soon,
and later it means that the client has left, as it does once an answer has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_INTERIM: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_PAUSES: Final = (0.05, 0.5, 5.0)
"""Seconds between two interim responses: it takes a second write to learn of a reset."""


def provoke_reset(
    transport: asyncio.Transport,
    is_awaited: Callable[[], bool],
    pauses: tuple[float, ...] = _PAUSES,
) -> None:
    """Send interim responses as long as a final one is awaited; one that fails ends `transport`."""
    if transport.is_closing() or not is_awaited():
        return
    transport.write(_INTERIM)
    if pauses:
        loop = asyncio.get_running_loop()
        loop.call_later(pauses[0], provoke_reset, transport, is_awaited, pauses[1:])
