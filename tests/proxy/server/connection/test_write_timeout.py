import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from structlog.testing import capture_logs

from proxy.server.connection.lingering_close import LingeringTransport
from proxy.server.connection.write_timeout import WriteTimeout
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


class Writer(asyncio.Protocol):
    """A protocol that writes more than its client and the kernel take."""

    has_read_all = True

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_made, self.is_lost = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        loop, raw = asyncio.get_running_loop(), cast("asyncio.Transport", transport)
        self.timeout = WriteTimeout(raw, loop, self.seconds)
        self.transport = LingeringTransport(raw, self, loop, self.timeout)
        self.transport.write(b"x" * 8 * MIB)
        self.is_made.set()

    def connection_lost(self, _: Exception | None) -> None:
        self.timeout.stop()
        self.is_lost.set()

    def stop_reading(self) -> None:
        """There is nothing to read."""


@asynccontextmanager
async def writing(seconds: float) -> AsyncIterator[tuple[Writer, socket.socket]]:
    protocol = Writer(seconds)
    server = await asyncio.get_running_loop().create_server(lambda: protocol, "127.0.0.1", 0)
    async with server, asyncio.timeout(PATIENCE_SECONDS):
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            await protocol.is_made.wait()
            yield protocol, client
        await protocol.is_lost.wait()


async def test_a_client_that_reads_nothing_is_let_go():
    with capture_logs() as lines:
        async with writing(0.2) as (protocol, _):
            protocol.timeout.start()
            protocol.timeout.start()
            await protocol.is_lost.wait()

    assert [line["event"] for line in lines] == ["client_not_reading"]
    assert lines[0]["waiting_bytes"] > MIB


async def test_a_connection_that_closes_does_not_wait_for_ever_for_its_client():
    async with writing(0.2) as (protocol, _):
        protocol.transport.close()
        await protocol.is_lost.wait()


async def test_a_client_that_reads_a_little_at_a_time_gets_everything():
    with capture_logs() as lines:
        async with writing(0.4) as (protocol, client):
            client.settimeout(0)
            protocol.transport.close()
            loop, size = asyncio.get_running_loop(), 0
            while piece := await loop.sock_recv(client, MIB // 8):
                size += len(piece)
                await asyncio.sleep(0.02)

    assert size == 8 * MIB
    assert lines == []
