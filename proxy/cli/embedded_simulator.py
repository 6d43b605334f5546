"""Servers that run on a thread of this process for as long as a command needs them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from proxy.server.serving import server_for
from proxy.simulator import create_simulator


@contextmanager
def embedded_simulator() -> Iterator[str]:
    """Run a simulator on a free port of the loopback interface; yield its base url."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with run_in_thread(create_simulator(), listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def run_in_thread(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve an application on a listening socket until the block is left."""
    server = server_for(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
