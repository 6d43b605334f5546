"""Raw bytes: a client that spells its request itself, an upstream that keeps every head."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def say(
    url: str, request: bytes, *, sends_no_more: bool = False
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Say it on a connection of its own; the answer's status, headers and all that comes after."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(request)
        if sends_no_more:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    while answer.startswith(INTERIM):
        answer = answer.removeprefix(INTERIM)
    head, _, rest = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines)
    return int(status_line.split()[1]), headers, rest


def spelled(method: str, target: str | bytes, *lines: str, body: bytes = b"") -> bytes:
    """A request that closes its connection."""
    target = target.encode() if isinstance(target, str) else target
    fixed = (
        "host: localhost",
        "connection: close",
        *([f"content-length: {len(body)}"] if body else []),
    )
    head = "".join(f"{line}\r\n" for line in (*fixed, *lines)).encode()
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode(), target, head, body)


@dataclass
class Recorder:
    """An upstream that answers the same to all, and the heads of what it was sent."""

    url: str
    answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    heads: list[bytes] = field(default_factory=list)

    @property
    def request_lines(self) -> list[bytes]:
        """The first line of each."""
        return [head.partition(b"\r\n")[0] for head in self.heads]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Those of the last one, in lower case."""
        _, *lines = self.heads[-1].split(b"\r\n")
        return [
            (name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)
        ]

    def values(self, name: bytes) -> list[bytes]:
        """What the last one said under this name."""
        return [value for given, value in self.headers if given == name]


@contextmanager
def recording() -> Iterator[Recorder]:
    """Such an upstream, on a port of its own."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self._head():
                here.heads.append(head)
                length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
                self.rfile.read(int(length[1]) if length else 0)
                self.wfile.write(here.answer)

        def _head(self) -> bytes:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (line := self.rfile.readline()):
                    return b""
                head += line
            return head[:-4]

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        here = Recorder(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield here
        server.shutdown()
        thread.join()
