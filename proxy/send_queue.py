"""Ask the kernel how many bytes written to a connection its peer has not acknowledged yet."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from contextlib import suppress


def queued_bytes(transport: asyncio.Transport) -> int:
    """Return the bytes in the kernel that the peer has not acknowledged; 0 where it hides them."""
    connection = transport.get_extra_info("socket")
    with suppress(OSError):  # not Linux
        queued = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(queued, sys.byteorder)
    return 0  # pragma: no cover - Linux tells
