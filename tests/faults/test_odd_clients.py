"""Clients that go on sending, or no longer, what nobody takes; others are in the matrix."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.harness import ProxyUnderTest, running_proxy
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.faults("client")

POST = b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nanthropic-version: 2023-06-01\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
KEY = b"x-api-key: k\r\n"
CHUNK = b"2000\r\n" + b"a" * 8192 + b"\r\n"


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def strict() -> Iterator[ProxyUnderTest]:
    with running_proxy(max_body_bytes=50_000, body_timeout=0.5) as holdover:
        yield holdover


REFUSED_IN_THE_BODY = {
    "a body over the limit": (POST + KEY + CHUNKED + b"\r\n" + CHUNK * 10, 413),
    "a body that says that it is over the limit": (
        POST + KEY + b"content-length: 9000000\r\n\r\n",
        413,
    ),
    "a body that is compressed": (
        POST + KEY + CHUNKED + b"content-encoding: gzip\r\n\r\n",
        400,
    ),
    "a body that takes too long": (POST + KEY + CHUNKED + b"\r\n", 408),
    "a chunk without a size": (POST + KEY + CHUNKED + b"\r\n" + CHUNK + b"x\r\n", 400),
    "a chunk with a long extension": (
        POST + KEY + CHUNKED + b"\r\n" + CHUNK + b"1;" + b"x" * 200_000,
        431,
    ),
    "no key": (POST + CHUNKED + b"\r\n", 401),
    "a path that is not served": (
        POST.replace(b"/v1/complete", b"/holdover/x") + CHUNKED + b"\r\n",
        404,
    ),
}


def test_a_client_that_goes_on_sending_a_refused_body_hears_why(strict: ProxyUnderTest):
    """The kernel resets a connection that is closed while it holds unread bytes."""

    def told(request: bytes) -> int:
        with connected(strict.url) as connection:
            connection.sendall(request)
            for _ in range(100):  # for three seconds, if the machine is fast
                connection.sendall(b"3\r\naaa\r\n")
                threading.Event().wait(0.03)
            return int(connection.recv(65536)[9:12])

    with ThreadPoolExecutor(max_workers=len(REFUSED_IN_THE_BODY)) as clients:
        statuses = list(clients.map(told, [data for data, _ in REFUSED_IN_THE_BODY.values()]))

    assert dict(zip(REFUSED_IN_THE_BODY, statuses, strict=True)) == {
        name: status for name, (_, status) in REFUSED_IN_THE_BODY.items()
    }


@contextmanager
def deaf_upstream() -> Iterator[str]:
    """The address of an upstream that takes connections, and reads nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def measured(proxy: ProxyUnderTest, name: str) -> float:
    families = text_string_to_metric_families(proxy.client.get(f"{proxy.url}/metrics").text)
    return next(one.value for each in families for one in each.samples if one.name == name)


def running(proxy: ProxyUnderTest) -> float:
    return measured(proxy, "holdover_exchanges_running")


def send_until_nobody_reads(client: socket.socket, head: bytes) -> None:
    client.sendall(head + b"content-length: 30000000\r\n\r\n")
    client.settimeout(1)
    with suppress(TimeoutError):
        while True:
            client.send(b"a" * 65_536)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_client_that_goes_while_its_upstream_takes_no_body_holds_no_upstream():
    with deaf_upstream() as upstream, running_proxy(upstream_url=upstream, traffic=False) as proxy:
        client = connected(proxy.url)
        send_until_nobody_reads(client, POST.replace(b"complete", b"messages") + KEY)
        assert running(proxy) == 1
        reset(client)

        wait_for(lambda: running(proxy) == 0)


def test_a_client_that_goes_while_there_is_no_room_for_its_body_holds_no_place():
    limits = {"max_held_bytes": 100_000, "max_wait": 4 * PATIENCE_SECONDS}
    with running_proxy(traffic=False, **limits) as proxy, connected(proxy.url) as first:
        first.sendall(POST + KEY + b"content-length: 300000\r\n\r\n" + b"a" * 200_000)
        wait_for(lambda: measured(proxy, "holdover_body_bytes_held") == 200_000)
        client = connected(proxy.url)
        send_until_nobody_reads(client, POST + b"x-api-key: other\r\n")
        assert running(proxy) == 2
        reset(client)

        wait_for(lambda: running(proxy) == 1)
