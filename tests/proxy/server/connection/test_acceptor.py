import asyncio
import json
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from proxy.server.connection.acceptor import Acceptor
from proxy.server.connection.uvicorn_protocol import ServerProtocol
from proxy.server.listening import listen
from tests.client_bytes import config_for
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Gate:
    """An application that answers once it may."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        await self.is_open.wait()
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


class Prompt(ServerProtocol):
    last_request_seconds = 0.1


class Accepting:
    """An acceptor on a socket of its own, with an application behind it."""

    def __init__(self, limit: int, listeners: list[socket.socket] | None = None) -> None:
        self.gate, self.state = Gate(), ServerState()
        config = config_for(self.gate)
        self.listeners = listeners or listen([(socket.AF_INET, ("127.0.0.1", 0))])
        self.port: int = self.listeners[0].getsockname()[1]
        self.acceptor = Acceptor(
            self.listeners,
            lambda: Prompt(config, self.state, {}),
            connections=self.state.connections,
            limit=limit,
        )

    async def close(self) -> None:
        self.gate.is_open.set()
        self.acceptor.close()
        await self.acceptor.wait_closed()
        for connection in list(self.state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)  # for the transports to close


@asynccontextmanager
async def accepting(limit: int) -> AsyncIterator[Accepting]:
    here = Accepting(limit)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield here
    finally:
        await here.close()


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    return reader, writer


async def status_of(reader: asyncio.StreamReader) -> int:
    return int((await reader.readuntil(b"\r\n\r\n"))[9:12])


async def test_a_client_beyond_the_limit_is_told_to_come_again():
    async with accepting(limit=4) as here:
        served = [await ask(here.port) for _ in range(3)]
        reader, writer = await ask(here.port)
        head = await reader.readuntil(b"\r\n\r\n")
        error = json.loads(await reader.read())
        here.gate.is_open.set()

        assert [await status_of(each) for each, _ in served] == [200, 200, 200]
        for _, each in [*served, (reader, writer)]:
            each.close()

    assert head.startswith(b"HTTP/1.1 529 ")
    assert {b"retry-after: 1", b"x-should-retry: true", b"connection: close"} <= {
        *head.splitlines()
    }
    assert error["error"]["type"] == "overloaded_error"


async def test_who_is_refused_is_told_so_even_if_nothing_was_asked():
    async with accepting(limit=1) as here:
        _, served = await ask(here.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)

        assert await status_of(reader) == 529
        served.close()
        writer.close()


async def test_who_goes_before_being_refused_makes_room():
    async with accepting(limit=2) as here:
        _, served = await ask(here.port)
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.close()
        reader, writer = await ask(here.port)

        assert await status_of(reader) == 529
        served.close()
        writer.close()


async def test_where_too_many_have_to_be_refused_they_wait():
    async with accepting(limit=8) as here:
        here.gate.is_open.set()

        async def told() -> int:
            reader, writer = await ask(here.port)
            try:
                return await status_of(reader)
            finally:
                writer.close()

        statuses = await asyncio.gather(*(told() for _ in range(200)))

    assert set(statuses) == {200, 529}


async def test_what_waits_in_the_backlog_is_answered_before_the_sockets_close():
    """It is answered once: the connection is not kept for another request."""
    async with accepting(limit=1000) as here:
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", here.port)))
                for _ in range(100)  # in one turn of the loop, so that none is accepted yet
            ]
            for client in clients:
                client.sendall(GET)
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", here.port)))
            here.acceptor.stop()
            here.acceptor.stop()
            here.gate.is_open.set()
            answers = await asyncio.gather(
                *(asyncio.to_thread(all_of, client) for client in [*clients, silent])
            )
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", here.port))

    assert {answer[:12] for answer in answers[:-1]} == {b"HTTP/1.1 200"}
    assert all(b"connection: close" in answer for answer in answers[:-1])
    assert answers[-1] == b""


async def test_when_one_of_two_that_share_a_socket_stops_the_other_goes_on():
    async with accepting(limit=1000) as here:
        beside = Accepting(1000, [each.dup() for each in here.listeners])
        await beside.close()
        here.gate.is_open.set()
        for _ in range(20):
            reader, writer = await ask(here.port)
            assert await status_of(reader) == 200
            writer.close()


def all_of(connection: socket.socket) -> bytes:
    """What the other end says until it closes."""
    connection.settimeout(PATIENCE_SECONDS)
    return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def without_descriptors() -> Iterator[None]:
    """Leave this process no descriptor that it does not have yet."""
    _, hard = limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_where_no_descriptor_is_left_clients_wait_and_the_log_is_short():
    async with accepting(limit=1000) as here:
        here.gate.is_open.set()
        with capture_logs() as lines, socket.socket() as client:
            client.connect(("127.0.0.1", here.port))
            client.sendall(GET)
            with without_descriptors():
                for _ in range(3):
                    here.acceptor._accept_some(here.listeners[0])
            client.settimeout(PATIENCE_SECONDS)

            answer = await asyncio.to_thread(client.recv, 65536)

    assert answer.startswith(b"HTTP/1.1 200")
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("accept_failed", "Too many open files")
    ]
