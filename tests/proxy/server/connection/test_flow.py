import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from proxy.server.connection.flow import Flow
from proxy.server.connection.write_timeout import WriteTimeout
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


class Watchful(Flow):
    look_seconds = 0.02


class Held(asyncio.Protocol):
    """A protocol that reads nothing, with a client."""

    def __init__(self, *, writes_on: bool, is_held: bool) -> None:
        self.writes_on = writes_on
        self.is_held = is_held
        self.unread = 0
        self.is_made, self.is_ended, self.is_lost = (asyncio.Event() for _ in range(3))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        loop, raw = asyncio.get_running_loop(), cast("asyncio.Transport", transport)
        self.transport = raw
        self.flow = Watchful(raw, self, loop, WriteTimeout(raw, loop, 60))
        loop.call_soon(self._pause)  # later, as uvloop begins to read behind this

    def _pause(self) -> None:
        pause = self.flow.hold if self.is_held else self.flow.pause_reading
        pause()
        pause()
        self.is_made.set()

    def eof_ahead(self) -> bool:
        self.unread = self.flow.count_unread()
        self.is_ended.set()
        return self.writes_on

    def connection_lost(self, _: Exception | None) -> None:
        self.flow.end()
        self.is_lost.set()


@asynccontextmanager
async def holding(
    *, writes_on: bool = False, is_held: bool = False
) -> AsyncIterator[tuple[Held, socket.socket]]:
    protocol = Held(writes_on=writes_on, is_held=is_held)
    server = await asyncio.get_running_loop().create_server(lambda: protocol, "127.0.0.1", 0)
    async with server, asyncio.timeout(PATIENCE_SECONDS):
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            await protocol.is_made.wait()
            yield protocol, client
            protocol.transport.abort()
        await protocol.is_lost.wait()


@pytest.mark.parametrize("is_held", [False, True])
async def test_the_end_of_a_client_is_noticed_although_nothing_is_read(is_held: bool):
    async with holding(is_held=is_held) as (protocol, client):
        client.sendall(b"x" * 1000)
        await asyncio.sleep(3 * Watchful.look_seconds)
        was_lost = protocol.is_lost.is_set()
        client.close()
        await protocol.is_lost.wait()

    assert (was_lost, protocol.unread) == (False, 1000)


async def test_a_client_that_resets_its_connection_has_left_whatever_is_due_to_it():
    async with holding(writes_on=True) as (protocol, client):
        client.sendall(b"x" * 1000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await protocol.is_lost.wait()

    assert not protocol.is_ended.is_set()


async def test_a_client_whose_bytes_are_read_again_is_looked_for_no_more():
    async with holding() as (protocol, client):
        protocol.flow.resume_reading()
        client.shutdown(socket.SHUT_WR)
        await protocol.is_lost.wait()

    assert not protocol.is_ended.is_set()


async def test_who_may_write_on_after_the_end_of_its_client_does():
    async with holding(writes_on=True) as (protocol, client):
        client.shutdown(socket.SHUT_WR)
        await protocol.is_ended.wait()
        await asyncio.sleep(3 * Watchful.look_seconds)

        assert not protocol.transport.is_closing()


async def test_what_is_held_stays_so_whatever_uvicorn_resumes():
    async with holding(is_held=True) as (protocol, _):
        flow = protocol.flow
        flow.pause_reading()
        flow.resume_reading()
        held = flow.read_paused
        flow.pause_reading()
        flow.release()
        paused = flow.read_paused
        flow.resume_reading()

        assert (held, paused, flow.read_paused) == (True, True, False)
