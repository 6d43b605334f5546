"""Clients that go on sending what is refused; others are in the matrix."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness import ProxyUnderTest, running_proxy
from tests.waiting import PATIENCE_SECONDS

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
