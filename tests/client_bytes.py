"""Bytes of clients, fed to the server's protocol, and how an independent parser reads them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import h11
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from proxy.server.connection.uvicorn_protocol import ServerProtocol

_TURNS = 12
"""Of the loop, after each piece: enough for an exchange to begin, to read, and to end."""
_FOR_EVER = 3600
_REQUEST_ID = re.compile(rb"req_[0-9a-f]{24}")


@dataclass(frozen=True)
class Request:
    """One request, as far as framing goes."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass
class Listener:
    """An application that remembers what it was asked, and answers with the size of it."""

    requests: list[Request] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        target = scope["raw_path"] + (
            b"?" + scope["query_string"] if scope["query_string"] else b""
        )
        headers = tuple(scope["headers"])
        self.requests.append(Request(scope["method"], target.decode(), headers, body))
        said = json.dumps([scope["method"], len(body)]).encode()
        start = [(b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": said})


class Wire(asyncio.Transport):
    """A transport that remembers what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_ended
        self.written += data

    def close(self) -> None:
        self.is_ended = True

    abort = write_eof = close

    def can_write_eof(self) -> bool:
        return True

    def set_protocol(self, _: asyncio.BaseProtocol) -> None:
        """What still comes is said to the first one, which has stopped to listen."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_ended

    def pause_reading(self) -> None:
        """The pieces come all the same: a kernel, too, hands over what it has read."""

    def resume_reading(self) -> None:
        """As above."""


class Unhurried(ServerProtocol):
    """A server to whom no client is slow, on however busy a machine."""

    head_seconds = body_seconds = _FOR_EVER


@dataclass(frozen=True)
class Conversation:
    """What became of a client's bytes."""

    requests: tuple[Request, ...]
    said: bytes
    """What the client was told, ids of errors left out."""
    is_closed: bool

    @property
    def refusals(self) -> list[int]:
        """Statuses of the answers that are no answer of the application."""
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.said)]
        return [status for status in statuses if status != 200]


def config_for(app: Any, **settings: Any) -> uvicorn.Config:
    """As `serve` has it, as far as this matters here."""
    config = uvicorn.Config(app, ws="none", log_config=None, access_log=False, **settings)
    config.load()
    return config


async def told(
    pieces: Iterable[bytes],
    listener: Listener | None = None,
    server: type[ServerProtocol] = Unhurried,
) -> Conversation:
    """Feed the pieces, one after the other, to one connection."""
    listener, wire = listener or Listener(), Wire()
    state = ServerState()
    config = config_for(
        listener, server_header=False, date_header=False, timeout_keep_alive=_FOR_EVER
    )
    connection = server(config, state, {})
    connection.connection_made(wire)
    for piece in pieces:
        connection.data_received(piece)
        await _turns()
    for _ in range(5000):
        if not connection.pipeline and not connection._held:
            break
        await _turns()
    await _turns()  # for the application, which may have the last bytes only now
    is_closed = wire.is_ended
    connection.connection_lost(None)
    await asyncio.gather(*state.tasks)
    said = _REQUEST_ID.sub(b"req_", wire.written)
    return Conversation(tuple(listener.requests), said, is_closed)


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def read_by_h11(data: bytes) -> list[Request]:
    """The whole requests that h11 finds in these bytes, before what it refuses."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1024 * 1024)
    requests: list[Request] = []
    try:
        connection.receive_data(data)
        while True:
            head, body = None, b""
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    return requests
            assert head is not None
            headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
            requests.append(
                Request(head.method.decode(), head.target.decode("latin-1"), headers, body)
            )
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return requests  # the client wants the connection closed
            connection.start_next_cycle()
    except h11.RemoteProtocolError:
        return requests


def without_offer(request: Request) -> Request:
    """What is left of a request when its offer to upgrade is not heard."""
    headers = tuple(header for header in request.headers if header[0] != b"upgrade")
    return Request(request.method, request.path, headers, request.body)


def heard_without_offers(conversation: Conversation) -> list[Request]:
    """The requests that the application was given."""
    return [without_offer(request) for request in conversation.requests]


def h11s_reading(data: bytes) -> list[Request]:
    """The requests that an independent parser finds, until there is something it does not take."""
    return [without_offer(request) for request in read_by_h11(data)]


def check_reading(data: bytes, pieces: Sequence[bytes]) -> None:
    """Check that bytes are read alike in pieces, and as h11 reads them, or refused."""
    whole = asyncio.run(told([data]))

    assert asyncio.run(told(pieces)) == whole
    assert whole.is_closed or not whole.refusals
    read = h11s_reading(data)
    for ours, theirs in zip(heard_without_offers(whole), read, strict=False):
        # A host in the target takes the place of the header.
        assert ours == theirs or not theirs.path.startswith("/"), (ours, theirs)
    if len(read) > len(whole.requests):
        assert whole.refusals


def splits(data: bytes) -> Sequence[tuple[bytes, ...]]:
    """Every way to cut the bytes in two, and all of them one by one."""
    in_two = [(data[:cut], data[cut:]) for cut in range(1, len(data))]
    return [*in_two, tuple(data[at : at + 1] for at in range(len(data)))]
