"""Real servers on loopback: an ASGI application behind uvicorn, in a thread of its own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, cast

import httpx
import uvicorn
from starlette.types import ASGIApp

from proxy.server.connection.uvicorn_protocol import ServerProtocol
from proxy.server.serving import Server
from tests.waiting import PATIENCE_SECONDS

# Making one is most of what a client costs.
_TLS: Final = ssl.create_default_context()


def new_client(**options: Any) -> httpx.Client:
    """Return a patient client that has no connections yet."""
    return httpx.Client(timeout=PATIENCE_SECONDS, verify=_TLS, **options)


def fetch(method: str, url: str, **options: Any) -> httpx.Response:
    """Ask once, over a connection of its own, and read the answer to its end."""
    with new_client() as client:
        return client.request(method, url, **options)


@contextmanager
def fetch_streamed(method: str, url: str, **options: Any) -> Iterator[httpx.Response]:
    """Ask once, over a connection of its own; the answer is for the block to read."""
    with new_client() as client, client.stream(method, url, **options) as answer:
        yield answer


def free_port() -> int:
    """A port of this machine that nobody listens on, just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def taken_port(*, listens: bool = False) -> Iterator[socket.socket]:
    """A port that stays taken, which others may share; with somebody who listens on it or not."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        if listens:
            holder.listen(2048)
        yield holder


@contextmanager
def serving(
    app: ASGIApp, *, http: Callable[..., ServerProtocol] | None = None, keep_idle: int = 30
) -> Iterator[str]:
    """
    Serve `app` on a free loopback port; yield its base url without a trailing slash.

    With `http`, which makes protocols, it is served as `holdover serve` does, else by uvicorn.
    """
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=cast("type[ServerProtocol]", http) if http else "auto",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        # Longer than the proxy keeps idle connections: one that is closed just as it is used again
        # is a fault of its own.
        timeout_keep_alive=keep_idle,
    )
    server = Server(config) if http else uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    # The kernel queues connections from here on, so nobody has to wait for `started`.
    listener.listen(1024)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=PATIENCE_SECONDS)
        listener.close()


@contextmanager
def closed_together() -> Iterator[Callable[[AbstractContextManager[str]], str]]:
    """
    Yield a function that opens a server and returns its url; close all of them at once.

    Each takes a while to notice that it may stop, and there are hundreds in a run.
    """
    servers: list[AbstractContextManager[str]] = []

    def opened(server: AbstractContextManager[str]) -> str:
        servers.append(server)
        return server.__enter__()

    try:
        yield opened
    finally:
        with ThreadPoolExecutor() as closers:
            list(closers.map(lambda server: server.__exit__(None, None, None), servers))
