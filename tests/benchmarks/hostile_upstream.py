"""
An upstream that does its worst: plain sockets and threads, a process of its own.

    python -m tests.benchmarks.hostile_upstream PORT

The header `x-shape` of a request says which of `SHAPES` it gets; without one, a whole answer, after
the last byte of the request. What has no end is said as fast as the socket takes it.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat
from typing import Final

from tests.benchmarks.canned import HEAD, TAIL, WHOLE, delta

_BLOCK: Final = 256 * 1024
_MIB: Final = 1024 * 1024
_SHAPE: Final = re.compile(rb"\r\nx-shape: ([^\r]+)\r\n", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_BEGUN: Final = b"HTTP/1.1 %b\r\ncontent-type: %b\r\nconnection: close\r\n\r\n"
_STREAM: Final = _BEGUN % (b"200 OK", b"text/event-stream")
_JSON: Final = _BEGUN % (b"200 OK", b"application/json")

Said = Iterator[bytes]


def flood(unit: bytes) -> Callable[[], Said]:
    """A stream that begins well, and goes on with this without end."""
    return lambda: _chain(b"".join((_STREAM, *HEAD)), repeat(unit * (_BLOCK // len(unit) + 1)))


def filled(head: bytes, unit: bytes, tail: bytes, size: int) -> Callable[[], Said]:
    """As much of a unit as makes up a size, between two ends."""

    def said() -> Said:
        yield head
        block = unit * (_BLOCK // len(unit))
        for _ in range(size // len(block)):
            yield block
        yield tail

    return said


def _chain(first: bytes, rest: Said) -> Said:
    yield first
    yield from rest


def _cut(whole: bytes) -> tuple[bytes, bytes]:
    before, _, after = whole.partition(b"A birch")
    return before, after


_ANSWER, _ANSWERED = _cut(WHOLE)
_DELTA, _DELTA_END = _cut(delta("A birch"))
_STREAM_HEAD: Final = b"".join((_STREAM, *HEAD))
_STREAM_TAIL: Final = b"".join(TAIL)

SHAPES: Final[dict[str, Callable[[], Said]]] = {
    "a flood of comments": flood(b":\n"),
    "a flood of blank lines": flood(b"\n"),
    "a flood of blank lines, CRLF": flood(b"\r\n"),
    "a flood of data lines": flood(b"data\n"),
    "a flood of names of events": flood(b"event: x\n"),
    "a flood of pings": flood(b'event: ping\ndata: {"type": "ping"}\n\n'),
    "a flood of the least pings": flood(b'data:{"type":"ping"}\n\n'),
    "a flood of empty events": flood(b"data\n\n"),
    "a flood of unknown events": flood(b'data: {"type":"x"}\n\n'),
    "a flood of empty deltas": flood(delta("")),
    "a flood of small deltas": flood(delta("a")),
    "a flood of newlines in deltas": flood(delta("\n" * 20)),
    "a flood of lone surrogates": flood(delta("a").replace(b'"a"', rb'"\ud83d"')),
    "a flood of long deltas": flood(delta("a" * 60_000)),
    "a line without an end": filled(_STREAM_HEAD + b"data: ", b"a", b"\n\n", 60 * _MIB),
    **{
        f"one delta of {size} MiB, {what}": filled(
            _STREAM_HEAD + _DELTA, unit, _DELTA_END + _STREAM_TAIL, size * _MIB
        )
        for size in (3, 30)
        for what, unit in (
            ("plain", b"a"),
            ("newlines", rb"\n"),
            ("emoji", "😀".encode()),
            ("lone surrogates", rb"\ud83d"),
        )
    },
    **{
        f"a whole answer of {size} MiB, {what}": filled(
            _JSON + _ANSWER, unit, _ANSWERED, size * _MIB
        )
        for size in (15, 60)
        for what, unit in (
            ("plain", b"a"),
            ("newlines", rb"\n"),
            ("emoji", "😀".encode()),
            ("lone surrogates", rb"\ud83d"),
        )
    },
    "a whole answer of many blocks": filled(
        _JSON + b'{"id":"msg_1","stop_reason":"end_turn","content":[',
        b'{"type":"text","text":"a"},',
        b'{"type":"text","text":"a"}]}',
        15 * _MIB,
    ),
    "an answer that is no JSON": filled(_JSON, b"[", b"", 15 * _MIB),
    **{
        f"an error of 1 MB, {what}": filled(
            _BEGUN % (b"400 Bad Request", b"application/json")
            + b'{"type":"error","error":{"type":"invalid_request_error","message":"',
            unit,
            b'"}}',
            1_000_000,
        )
        for what, unit in (("plain", b"a"), ("names", b"`max_tokens`"), ("escapes", rb"\n"))
    },
    "an error of 60 MB": filled(
        _BEGUN % (b"500 Internal Server Error", b"text/html"), b"<p>", b"", 60 * _MIB
    ),
}


def attend(connection: socket.socket) -> None:
    """Answer one request after the other, until the connection ends."""
    with connection, suppress(OSError):
        while request := _heard(connection):
            shape = _SHAPE.search(request)
            if shape is None:
                length = b"content-length: %d\r\n\r\n" % len(WHOLE)
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + length
                connection.sendall(head + WHOLE)
                continue
            for said in SHAPES[shape[1].decode()]():
                connection.sendall(said)
            return


def _heard(connection: socket.socket) -> bytes:
    """The head of a request; its body is read and forgotten."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (read := connection.recv(65536)):
            return b""
        head += read
    head, _, body = head.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    left = int(length[1]) - len(body) if length else 0
    while left > 0:
        if not (read := connection.recv(min(left, _MIB))):
            return b""
        left -= len(read)
    return head + b"\r\n"


def serve(port: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=attend, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
