"""Take over listening sockets from a service manager, as `sd_listen_fds(3)` hands them down."""

from __future__ import annotations

import os
import socket
from typing import Final

from proxy.terminal import exit_with_error

_FIRST_DESCRIPTOR: Final = 3


def activated_sockets() -> list[socket.socket]:
    """
    Return the listening sockets that were handed down to this process, none in most cases.

    Exits with status 2 if one cannot be used. Children do not see them.
    """
    meant_for = os.environ.pop("LISTEN_PID", None)
    count = os.environ.pop("LISTEN_FDS", "0")
    os.environ.pop("LISTEN_FDNAMES", None)
    if meant_for != str(os.getpid()) or not count.isdecimal():
        return []
    listeners: list[socket.socket] = []
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)):
        try:
            listener = socket.socket(fileno=descriptor)
            listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as exc:
            exit_with_error(
                f"LISTEN_FDS: descriptor {descriptor} is no socket: {exc.strerror};"
                " let the service manager open it (ListenStream= of a .socket unit)"
            )
        is_tcp = listener.family in {socket.AF_INET, socket.AF_INET6}
        if not (listens and is_tcp and listener.type == socket.SOCK_STREAM):
            exit_with_error(
                f"LISTEN_FDS: descriptor {descriptor} does not listen for TCP connections;"
                " give the .socket unit ListenStream= with an address and a port, and no Accept="
            )
        listener.set_inheritable(False)
        listeners.append(listener)
    return listeners
