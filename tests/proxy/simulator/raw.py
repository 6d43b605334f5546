"""A request over a plain socket, to see single chunks and to disconnect early."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.proxy.simulator.harness import HEADERS, question
from tests.waiting import PATIENCE_SECONDS


def request_bytes(body: dict[str, Any] | None = None, **simulate: str) -> bytes:
    content = json.dumps(body or question()).encode()
    simulated = {f"simulate-{name.replace('_', '-')}": value for name, value in simulate.items()}
    headers = {"host": "localhost", "content-length": str(len(content)), **HEADERS, **simulated}
    lines = ["POST /v1/messages HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection(
        (address.hostname, address.port or 80), timeout=PATIENCE_SECONDS
    ) as connection:
        yield connection


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Read up to and including the mark, or to the end of the connection."""
    data = b""
    while mark not in data:
        piece = connection.recv(65_536)
        if not piece:
            break
        data += piece
    return data


def chunks(data: bytes) -> list[bytes]:
    """Return the chunks of a chunked body, without the empty last one."""
    _, _, rest = data.partition(b"\r\n\r\n")
    found = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        found.append(rest[:length])
        rest = rest[length + 2 :]
    return found
