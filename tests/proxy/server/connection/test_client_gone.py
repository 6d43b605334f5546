import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from proxy.errors import ClientGone
from proxy.server.connection.client_gone import Departure, while_connected
from tests.client_bytes import Listener, Unhurried, Wire, config_for
from tests.servers import serving
from tests.waiting import PATIENCE_SECONDS, wait_for

# The last 40,000 bytes have to fit into the kernel: an end behind more would not arrive.
LENGTH = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 140000\r\n\r\n"
OLD = b"POST / HTTP/1.0\r\nContent-Length: 140000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n222e0\r\n"


class Stuck(Listener):
    """An application that takes the first piece of a body, and then waits to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stuck, self.may_go_on = threading.Event(), asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.interrupted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"  # which tells uvicorn that it has no lifespan
        self.loop = asyncio.get_running_loop()
        await receive()
        self.is_stuck.set()
        try:
            async with while_connected(scope):
                await self.may_go_on.wait()
        except ClientGone:
            self.interrupted += 1
        else:
            await super().__call__(scope, receive, send)

    def go_on(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.may_go_on.set)


class Noticing(Unhurried):
    """A server that tells when it pauses, and twice saw the end of what it has not read yet."""

    has_paused, has_noticed_twice = threading.Event(), threading.Event()
    notices = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.flow.read_paused:
            self.has_paused.set()

    def eof_ahead(self) -> bool:
        is_kept = super().eof_ahead()
        self.notices += 1
        if self.notices > 1:
            self.has_noticed_twice.set()
        return is_kept


@contextmanager
def sending(app: Stuck, head: bytes, size: int) -> Iterator[socket.socket]:
    """Connect a client that has sent a body of which the last bytes are still in the kernel."""
    Noticing.has_paused.clear()
    Noticing.has_noticed_twice.clear()
    with serving(app, http=Noticing) as url, connected(url) as client:
        client.sendall(head + b"a")
        assert app.is_stuck.wait(PATIENCE_SECONDS)
        client.sendall(b"a" * 99_999)
        assert Noticing.has_paused.wait(PATIENCE_SECONDS)
        client.sendall(b"a" * (size - 100_000))
        yield client


def closes(client: socket.socket) -> None:
    client.close()


def resets(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("head", "size", "leaves"),
    [
        pytest.param(LENGTH, 139_999, closes, id="closed before the end of its body"),
        pytest.param(OLD, 139_999, closes, id="closed before the end of its body, HTTP/1.0"),
        pytest.param(LENGTH, 140_000, closes, id="closed behind its body"),
        pytest.param(CHUNKED, 139_999, closes, id="closed in the midst of chunks"),
        pytest.param(LENGTH, 139_999, resets, id="reset before the end of its body"),
        pytest.param(OLD, 140_000, resets, id="reset behind its body, HTTP/1.0"),
    ],
)
def test_a_client_that_leaves_while_nobody_takes_its_body_is_missed(
    head: bytes, size: int, leaves: Callable[[socket.socket], None]
):
    app = Stuck()
    with sending(app, head, size) as client:
        leaves(client)

        wait_for(lambda: app.interrupted)


@pytest.mark.parametrize("head", [LENGTH, OLD])
def test_a_client_that_has_sent_all_and_waits_is_answered_though_nobody_took_its_body(head: bytes):
    app = Stuck()
    with sending(app, head, 140_000) as client:
        client.shutdown(socket.SHUT_WR)
        assert Noticing.has_noticed_twice.wait(PATIENCE_SECONDS)
        app.go_on()
        said = b""
        while piece := client.recv(65_536):
            said += piece

    statuses = re.findall(rb"HTTP/1.1 (\d+) ", said)
    assert statuses[-1] == b"200"
    assert set(statuses[:-1]) == ({b"100"} if head is LENGTH else set())
    assert len(statuses) <= 5, "some clients take no more interim answers"


def test_who_waits_is_told_that_the_rest_of_a_body_is_no_body():
    async def ask() -> tuple[int, bytes]:
        app, wire = Stuck(), Wire()
        protocol = Unhurried(config_for(app), ServerState(), {})
        protocol.connection_made(wire)
        protocol.data_received(CHUNKED[:-7] + b"1\r\na\r\n")
        for _ in range(10):
            await asyncio.sleep(0)
        protocol.data_received(b"no size\r\n")
        await asyncio.gather(*protocol.server_state.tasks)
        protocol.connection_lost(None)
        return app.interrupted, wire.written

    interrupted, said = asyncio.run(ask())

    assert interrupted == 1
    assert said.startswith(b"HTTP/1.1 400 ")


@pytest.mark.anyio
async def test_who_begins_to_wait_for_a_client_that_has_gone_does_not():
    departure = Departure()
    departure.come()
    departure.come()

    with pytest.raises(ClientGone):
        async with departure.interrupting():
            raise AssertionError


@pytest.mark.anyio
async def test_a_timeout_of_what_waits_is_not_taken_for_the_client():
    with pytest.raises(TimeoutError):
        async with Departure().interrupting(), asyncio.timeout(0):
            await asyncio.Event().wait()


@pytest.mark.anyio
async def test_behind_a_server_that_does_not_tell_everything_waits_to_its_end():
    async with while_connected({"type": "http"}):
        await asyncio.sleep(0)
