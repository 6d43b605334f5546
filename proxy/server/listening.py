"""Open the sockets that a server listens on, or say why that is not possible."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from proxy.errors import InvalidSettings
from proxy.terminal import exit_with_error
from proxy.upstream.egress import authority

_BACKLOG: Final = 2048
_SETTINGS: Final = "`host`, `port`"
_UNAVAILABLE: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
"""Errors that are acceptable for some of a host's addresses, say on a machine without IPv6."""

Address: TypeAlias = tuple[int, tuple[Any, ...]]
"""An address family, and an address as `socket.bind` takes it for that family."""

_log = logging.getLogger("uvicorn.error")


def listen_or_exit(
    host: str, port: int, *, reuse_port: bool = False, settings: str = _SETTINGS
) -> list[socket.socket]:
    """Listen on every address of a host, or exit with status 2 and the reason."""
    try:
        return listen_on(host, port, reuse_port=reuse_port, settings=settings)
    except InvalidSettings as exc:
        exit_with_error(str(exc))


def listen_on(
    host: str, port: int, *, reuse_port: bool = False, settings: str = _SETTINGS
) -> list[socket.socket]:
    """
    Listen on every address of a host; from here on, connections queue up.

    Raises `InvalidSettings`, which names the settings that say where.

    With `reuse_port` they do so only once a server accepts from these sockets: until then those
    that share the port are there for them.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # As keys of a dictionary, since the same address may be found several times.
        addresses = dict.fromkeys((family, address) for family, *_, address in found)
        return listen(addresses, reuse_port=reuse_port)
    except (OSError, ValueError) as exc:  # ValueError if the name cannot be encoded
        reason = getattr(exc, "strerror", None) or "this is not a valid host name"
        raise InvalidSettings(
            f"cannot listen on {host or 'any address'}, port {port} ({settings}): {reason}"
        ) from exc


def say_where(host: str, sockets: Iterable[socket.socket]) -> None:
    """Log the url of the server in the same words as uvicorn."""
    port = next(iter(sockets)).getsockname()[1]
    _log.info("Uvicorn running on http://%s (Press CTRL+C to quit)", authority(host, port))


def listen(addresses: Iterable[Address], *, reuse_port: bool = False) -> list[socket.socket]:
    """
    Listen on this machine's addresses; raise `OSError` if none is available or one is in use.

    With port 0, all of them share the same free port. With `reuse_port` a port that is in use
    may be shared, and nobody listens yet.
    """
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in addresses:
        port = sockets[0].getsockname()[1] if sockets else address[1]
        try:
            where = (address[0], port, *address[2:])
            sockets.append(_bind(family, where, reuse_port=reuse_port))
        except OSError as exc:
            if exc.errno not in _UNAVAILABLE:
                for each in sockets:
                    each.close()
                raise
            absent = exc
    if absent is not None and not sockets:
        raise absent
    return sockets


def _bind(family: int, address: tuple[Any, ...], *, reuse_port: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:  # IPv4 connections have a socket of their own
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        if not reuse_port:
            listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
