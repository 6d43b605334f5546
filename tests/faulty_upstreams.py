"""Upstreams that do their worst: over bare sockets, or for one model of a simulator."""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Act = Callable[["Connection"], None]
MEGABYTE = 1024 * 1024
OFFERED = 4096 * MEGABYTE
"""More than anybody has room for."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One that has been accepted and has said what it wants."""

    socket: socket.socket
    over: threading.Event

    def flood(self, data: bytes, *, size: int = OFFERED) -> None:
        """Say this over and over, or as much of it as is taken."""
        data *= MEGABYTE // len(data) + 1
        for _ in range(size // len(data)):
            self.socket.sendall(data)

    def hang(self) -> None:
        """Say no more."""
        self.over.wait()

    def crash(self) -> None:
        """Reset the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is said or heard."""
        return self.socket.fileno() == -1


def says(*pieces: bytes, then: Act = lambda _: None) -> Act:
    """Say this, and then act."""

    def act(connection: Connection) -> None:
        connection.socket.sendall(b"".join(pieces))
        then(connection)

    return act


@dataclass(slots=True)
class Treacherous:
    """A server that acts as the `x-harm` header of a request says."""

    acts: Mapping[str, Act]
    url: str = ""
    accepted: list[Connection] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        """Accept until the listener is shut."""
        threads = []
        with suppress(OSError):
            while True:
                connection = Connection(listener.accept()[0], self.over)
                self.accepted.append(connection)
                threads.append(threading.Thread(target=self._attend, args=(connection,)))
                threads[-1].start()
        for thread in threads:
            thread.join(10)

    def _attend(self, connection: Connection) -> None:
        with connection.socket, suppress(OSError):
            asked = connection.socket.recv(MEGABYTE)
            if harm := re.search(rb"x-harm: ([^\r]*)\r\n", asked, re.IGNORECASE):
                self.acts[harm[1].decode()](connection)


@contextmanager
def treacherous(acts: Mapping[str, Act]) -> Iterator[Treacherous]:
    """Serve like that."""
    server = Treacherous(acts)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.serve, args=(listener,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            for connection in server.accepted:
                with suppress(OSError):  # it may be closed
                    connection.socket.shutdown(socket.SHUT_RDWR)
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
FRAME = b'data: {"type":"completion","completion":"ha ","stop_reason":null}\r\n\r\n'
LAST_FRAME = FRAME.replace(b"null", b'"stop_sequence"')
_BOMB = gzip.compress(bytes(64 * MEGABYTE), compresslevel=1)

HARM: Mapping[str, Act] = {
    "floods with one answer": says(WHOLE, b'\r\n{"completion":"', then=lambda one: one.flood(b"a")),
    "floods with frames": says(STREAM, b"\r\n", then=lambda one: one.flood(FRAME)),
    "floods with one line": says(STREAM, b"\r\ndata: ", then=lambda one: one.flood(b"a")),
    "floods with headers": says(WHOLE, then=lambda one: one.flood(b"x-more: more\r\n")),
    "floods with brackets": says(WHOLE, b"\r\n", then=lambda one: one.flood(b"[")),
    "floods with bombs": says(
        WHOLE, b"content-encoding: gzip\r\n\r\n", then=lambda one: one.flood(_BOMB)
    ),
    "says too much": says(STREAM, b"\r\n", FRAME * 100_000, LAST_FRAME),
    "crashes at once": Connection.crash,
    "crashes in its answer": says(
        WHOLE, b'content-length: 100\r\n\r\n{"completion":', then=Connection.crash
    ),
    "crashes in its stream": says(STREAM, b"\r\n", FRAME, then=Connection.crash),
    "ends too soon": says(STREAM, b"\r\n", FRAME),
    "sends garbage": says(b"\x00\xff garbage\r\n\r\n" * 9),
    "sends no JSON": says(WHOLE, b"content-length: 9\r\n\r\nwell then"),
    "sends other JSON": says(WHOLE, b'content-length: 18\r\n\r\n{"completion": 17}'),
    "refuses with 400": says(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}"),
    "refuses with 401": says(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
    "floods with an error": says(
        b"HTTP/1.1 529 Overloaded\r\n\r\n", then=lambda one: one.flood(b"<html")
    ),
    "refuses with 503": says(b"HTTP/1.1 503 Unavailable\r\ncontent-length: 5\r\n\r\n<html"),
    "redirects": says(b"HTTP/1.1 307 Moved\r\nlocation: /v1/complete\r\ncontent-length: 0\r\n\r\n"),
}
HANGS: Mapping[str, Act] = {
    "hangs": Connection.hang,
    "hangs in its headers": says(WHOLE, then=Connection.hang),
    "hangs in its answer": says(WHOLE, b"\r\n{", then=Connection.hang),
    "hangs in its stream": says(STREAM, b"\r\n", FRAME, then=Connection.hang),
}


@dataclass(frozen=True, slots=True)
class ForModel:
    """An application, except for one model, for which another one answers."""

    app: ASGIApp
    model: str
    instead: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look into the body, and give it back."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        app = self.instead if f'"model":"{self.model}"'.encode() in body else self.app
        await app(scope, _again(body, receive), send)


async def _read(receive: Receive) -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


@dataclass(frozen=True, slots=True)
class Moody:
    """A simulator that also obeys a header which nobody else understands: JSON of its own ones."""

    app: ASGIApp
    header: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Spell the header as the simulator knows it."""
        if scope["type"] == "http" and (mood := dict(scope["headers"]).get(self.header)):
            orders = json.loads(mood).items()
            spelled = [(b"simulate-" + name.encode(), value.encode()) for name, value in orders]
            scope = {**scope, "headers": [*scope["headers"], *spelled]}
        await self.app(scope, receive, send)
