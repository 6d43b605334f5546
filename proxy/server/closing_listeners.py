"""
Stop listening without losing anybody.

When the last process closes a listening socket, the kernel resets all connections that wait in
it. So first no more may come (a filter drops every first packet of a handshake, whose client
tries again after a second and meets whoever listens then), then those that wait are accepted,
and only then is the socket closed.
"""

from __future__ import annotations

import select
import socket
import struct
from array import array
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_SO_ATTACH_FILTER: Final = 26
"""Linux only; `socket` has no name for it."""
_DROP_FIRST_PACKETS: Final = array(
    "B",
    b"".join(
        struct.pack("HBBI", *instruction)  # struct sock_filter
        for instruction in (
            (0x30, 0, 0, 13),  # load the byte of flags in the TCP header
            (0x54, 0, 0, 0x12),  # of these, SYN and ACK
            (0x15, 0, 1, 0x02),  # skip one instruction unless it is SYN alone
            (0x06, 0, 0, 0),  # return: drop
            (0x06, 0, 0, 0xFFFFFFFF),  # return: keep all of it
        )
    ),
)


def drop_new_handshakes(sockets: Iterable[socket.socket]) -> None:
    """
    Let no more connections begin at sockets that nobody will listen on; those that wait stay.

    All processes that share a socket share the filter. Where there is none (other systems than
    Linux), a connection that comes in the instant before the end is reset, as ever.
    """
    address, _ = _DROP_FIRST_PACKETS.buffer_info()
    program = struct.pack("HL", len(_DROP_FIRST_PACKETS) // 8, address)  # struct sock_fprog
    for each in sockets:
        with suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def has_waiting(sockets: Iterable[socket.socket]) -> bool:
    """Return True if a connection waits to be accepted."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    return bool(poll.poll(0))
