"""Clients that send too much, read nothing, or go in the middle."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fleet import running_fleet
from tests.harness import ProxyUnderTest, body, running_proxy
from tests.waiting import PATIENCE_SECONDS, wait_for

POST = b"POST /v1/complete HTTP/1.1\r\nhost: localhost\r\nanthropic-version: 2023-06-01\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
KEY = b"x-api-key: k\r\n"
CHUNK = b"2000\r\n" + b"a" * 8192 + b"\r\n"


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def asking(*headers: bytes, **fields: object) -> bytes:
    """A whole request for a completion."""
    content = json.dumps(body(**fields)).encode()
    lines = [POST, KEY, *(header + b"\r\n" for header in headers)]
    return b"".join([*lines, b"content-length: %d\r\n\r\n" % len(content), content])


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


def asking_for_much(*headers: bytes) -> bytes:
    """A request for more than 10 MB: in the old dialect each frame repeats the text so far."""
    text = b"simulate-text: " + json.dumps("0123456789 " * 50).encode()
    manner = (text, b"simulate-repeat: 40", b"simulate-delta-size: 20")
    request = asking(*manner, *headers, stream=True, max_tokens_to_sample=50_000)
    return request.replace(b"anthropic-version: 2023-06-01\r\n", b"")


def test_a_client_that_does_not_read_is_let_go_with_its_upstream(tmp_path: Path):
    with running_fleet(tmp_path, "write_timeout = 0.5") as fleet, connected(fleet.url) as client:
        client.sendall(asking_for_much(b"simulate-hang-after-events: 900"))

        gone = fleet.line("exchange")
        let_go = fleet.line("client_not_reading")
        [asked] = fleet.client.get(f"{fleet.upstream_url}/simulator/requests").json()

    assert let_go["waiting_bytes"] > 0
    assert gone["outcome"] == "client_gone"
    assert asked["outcome"] == "client-disconnected"


def test_a_client_that_reads_slowly_is_given_all_the_time_it_takes():
    with running_proxy(write_timeout=1.5) as holdover, connected(holdover.url) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.sendall(asking_for_much(b"connection: close"))
        last, size = b"", 0
        while piece := connection.recv(131_072):
            last, size = piece, size + len(piece)
            threading.Event().wait(0.02)

    assert size > 8_000_000
    assert last.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("padding", [0, 100_000, 250_000])
@pytest.mark.parametrize("count", [2, 3])
def test_when_a_client_has_gone_its_upstream_is_let_go_whatever_it_has_pipelined(
    holdover: ProxyUnderTest, padding: int, count: int
):
    marker = f"x-marker: gone-{padding}-{count}".encode()
    request = asking(marker, b"simulate-delay-headers: 60000", prompt=f"\n\nHuman: {'a' * padding}")
    with connected(holdover.url) as connection:
        connection.sendall(request * count)
        wait_for(lambda: received(holdover, marker))

    wait_for(lambda: received(holdover, marker) == ["client-disconnected"])


def received(holdover: ProxyUnderTest, marker: bytes) -> list[str | None]:
    """How the requests with this header ended at the upstream."""
    header = marker.decode().split(": ")
    return [one["outcome"] for one in holdover.received() if header in one["headers"]]
