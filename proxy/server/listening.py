"""The sockets that a server listens on; where there can be none, status 2 and why."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from proxy.terminal import stop

_BACKLOG: Final = 2048
_ABSENT: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
"""Of one address of several: the machine has no IPv6, say."""

Address: TypeAlias = tuple[int, tuple[Any, ...]]
"""Its family, and what the family calls an address."""

_log = logging.getLogger("uvicorn.error")


def listen_or_exit(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host; connections wait from here on."""
    try:
        return listen(_addresses_of(host, port))
    except (OSError, ValueError) as exc:  # a name that can be none is the latter
        reason = getattr(exc, "strerror", None) or "is no name of a host"
        stop(f"cannot listen on {host or 'any address'}, port {port} (`host`, `port`): {reason}")


def say_where(host: str, sockets: Iterable[socket.socket]) -> None:
    """Log where it can be reached, in uvicorn's words."""
    port = next(iter(sockets)).getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    _log.info("Uvicorn running on http://%s:%d (Press CTRL+C to quit)", shown, port)


def listen(addresses: Iterable[Address]) -> list[socket.socket]:
    """
    Listen on the addresses of this machine; raises `OSError` if none is, or one is taken.

    Port 0 takes a free one, and the same for all.
    """
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in addresses:
        port = sockets[0].getsockname()[1] if sockets else address[1]
        try:
            sockets.append(_bound(family, (address[0], port, *address[2:])))
        except OSError as exc:
            if exc.errno not in _ABSENT:
                for each in sockets:
                    each.close()
                raise
            absent = exc
    if absent is not None and not sockets:
        raise absent
    return sockets


def _addresses_of(host: str, port: int) -> Iterable[Address]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return dict.fromkeys((family, address) for family, *_, address in found)  # each once


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # IPv4 has one of its own
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
