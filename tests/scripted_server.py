"""Upstreams that follow a script, connection by connection, in the event loop of a test."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from proxy.upstream.response_stream import ResponseStream
from proxy.upstream.transport import OutgoingRequest, Timeouts, Transport

Act = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One accepted connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heads: int = 0
    """How many it has sent."""

    async def hear(self) -> bytes:
        """The head of a request, without its empty line."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.heads += 1
        return head[:-4]

    async def hear_body(self, size: int) -> bytes:
        """So much of its body."""
        return await self.reader.readexactly(size)

    async def say(self, *said: bytes) -> None:
        """Say it, and wait until the kernel has most of it."""
        self.writer.write(b"".join(said))
        await self.writer.drain()

    async def is_left(self) -> None:
        """Wait until the other end is gone, whatever it still says."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def crash(self) -> None:
        """Reset the connection."""
        accepted = self.writer.get_extra_info("socket")
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Listening:
    """An upstream, and all it has accepted."""

    host: str
    port: int
    scheme: str
    peers: list[Peer] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its base url."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@asynccontextmanager
async def listening(
    act: Act,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Listening]:
    """Let `act` serve each connection, and close it after that; what it raises fails the test."""
    tasks: list[asyncio.Task[None]] = []

    async def attend(peer: Peer) -> None:
        try:
            await act(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other end has gone
        except RuntimeError as exc:
            if "the handler is closed" not in str(exc):  # what uvloop says of the same
                raise
        finally:
            peer.writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.peers.append(Peer(reader, writer))
        tasks.append(asyncio.ensure_future(attend(here.peers[-1])))

    server = await asyncio.start_server(accept, host, port, ssl=context)
    scheme = "https" if context else "http"
    here = Listening(host, server.sockets[0].getsockname()[1], scheme)
    try:
        yield here
    finally:
        server.close()
        for peer in here.peers:
            with suppress(AttributeError):  # asyncio's, if the connection ended after its last byte
                peer.writer.transport.abort()
        await asyncio.gather(*tasks)


@dataclass
class Tunnel:
    """A proxy for CONNECT, whose every name is one upstream's."""

    upstream: Listening
    refusal: bytes = b""
    heads: list[bytes] = field(default_factory=list)

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        self.heads.append(await peer.hear())
        if self.refusal:
            await peer.say(self.refusal)
            return
        reader, writer = await asyncio.open_connection(self.upstream.host, self.upstream.port)
        await peer.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pipe(peer.reader, writer), pipe(reader, peer.writer))


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, and its end."""
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def listening_in_a_thread(
    act: Act, *, context: ssl.SSLContext | None = None
) -> Iterator[Listening]:
    """Let `act` serve connections in an event loop of its own, for tests that have none."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(listening(act, context=context)) as upstream,
    ):
        yield upstream


@contextmanager
def locked() -> Iterator[str]:
    """An upstream that lets nobody in: its backlog is full."""
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


def answers(*said: bytes) -> Act:
    """Each of these to one request; after that, the end."""

    async def act(peer: Peer) -> None:
        for each in said:
            await peer.hear()
            await peer.say(each)

    return act


def ok(body: bytes, headers: bytes = b"") -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (headers, len(body), body)


async def ask(  # noqa: PLR0913
    transport: Transport,
    url: str,
    *,
    method: str = "GET",
    connect: float = 20,
    caller: str = "",
    may_repeat: bool = False,
    **request: Any,
) -> ResponseStream:
    """Ask, within these seconds; the response's body is still to be read."""
    built = httpx.Request(method, url, **request)
    at = built.url
    stream: Any = built.stream
    outgoing = OutgoingRequest(
        method=built.method,
        origin=(at.scheme, at.raw_host.decode(), at.port or {"http": 80, "https": 443}[at.scheme]),
        target=at.raw_path,
        headers=built.headers.raw,
        body=(built.read(),) if isinstance(stream, httpx.ByteStream) else aiter(stream),
        timeouts=Timeouts(connect=connect, read=20),
        caller=caller,
        may_repeat=may_repeat,
    )
    return await transport.send(outgoing)


async def heard(response: ResponseStream) -> bytes:
    """All of its body."""
    try:
        return b"".join([piece async for piece in response])
    finally:
        await response.aclose()


@contextmanager
def uncollected() -> Iterator[list[object]]:
    """What of ours and of httpx's would have been left to the garbage collector."""
    ours = ("proxy", "httpx", "httptools")
    left: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield left
        gc.collect()
        left += [thing for thing in gc.garbage if type(thing).__module__.startswith(ours)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"], scope="session")
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The loop that Python brings, and the one that serves."""
    return "asyncio", {"use_uvloop": request.param}


@dataclass(frozen=True)
class Certificate:
    """Self-signed, with its key in the same file."""

    path: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.path)
        return context

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.path))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of this machine, but not under every name."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    request = (
        "openssl req -x509 -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        "-keyout - -subj /CN=here -addext subjectAltName=IP:127.0.0.1,DNS:upstream.invalid"
    )
    made = subprocess.run(request.split(), check=True, capture_output=True)
    path.write_bytes(made.stdout)
    return Certificate(path)
