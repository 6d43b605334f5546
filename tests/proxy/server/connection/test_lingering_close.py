import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

import pytest

from proxy.server.connection.lingering_close import LingeringTransport
from proxy.server.connection.write_timeout import WriteTimeout
from tests.scripted_server import Certificate

pytestmark = pytest.mark.anyio


class Reader(asyncio.Protocol):
    """The protocol of a server that has something to say and has not read all."""

    has_read_all = False

    def __init__(self, closing: type[LingeringTransport]) -> None:
        self.closing = closing
        self.transport: LingeringTransport
        self.is_lost = asyncio.Event()
        self.is_made = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        loop, raw = asyncio.get_running_loop(), cast("asyncio.Transport", transport)
        self.transport = self.closing(raw, self, loop, WriteTimeout(raw, loop, 60))
        self.is_made.set()

    def connection_lost(self, _: Exception | None) -> None:
        self.is_lost.set()

    def stop_reading(self) -> None:
        """Nothing is kept of what is read."""


@asynccontextmanager
async def listening(
    context: ssl.SSLContext | None = None,
    closing: type[LingeringTransport] = LingeringTransport,
) -> AsyncIterator[tuple[Reader, int]]:
    reader = Reader(closing)
    server = await asyncio.get_running_loop().create_server(
        lambda: reader, "127.0.0.1", 0, ssl=context
    )
    async with server:
        yield reader, server.sockets[0].getsockname()[1]


async def test_what_was_written_is_heard_by_a_client_that_goes_on_sending():
    async with listening() as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 4 * 1024 * 1024)
        await server.is_made.wait()
        server.transport.write(b"bye")
        server.transport.close()
        assert server.transport.is_closing()
        server.transport.close()  # it is on its way

        assert await reader.read() == b"bye"
        writer.close()
        await server.is_lost.wait()


@pytest.mark.one_in(2)
async def test_a_client_that_never_closes_is_let_go():
    async with listening() as (server, port):
        with socket.create_connection(("127.0.0.1", port)):
            await server.is_made.wait()
            server.transport.close()

            await server.is_lost.wait()


class Brief(LingeringTransport):
    silence_seconds = 0.2
    linger_seconds = 1


async def send_on(port: int) -> int:
    """Send until it fails; return how often that went well."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b"bye"
    sent = 0
    with suppress(ConnectionError):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)
            sent += 1
    return sent


async def test_a_client_that_goes_on_sending_is_heard_for_a_while_and_not_for_ever():
    async with listening(closing=Brief) as (server, port):
        sending = asyncio.ensure_future(send_on(port))
        await server.is_made.wait()
        server.transport.write(b"bye")
        server.transport.close()

        await server.is_lost.wait()
        assert await sending > Brief.silence_seconds / 0.05


async def test_a_connection_that_cannot_be_closed_by_halves_is_closed(certificate: Certificate):
    async with listening(certificate.context) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=certificate.trusting)
        await server.is_made.wait()
        server.transport.write(b"bye")
        server.transport.close()

        assert await reader.read() == b"bye"
        writer.close()
        await server.is_lost.wait()
