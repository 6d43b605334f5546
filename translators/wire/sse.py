"""
Server-sent events: bytes in, the data of each event out.

Lines end at CR, LF or CRLF and nowhere else, and are split before decoding:
`str.splitlines()` and `httpx.Response.aiter_lines()` also break at U+2028 and
friends, which a model may well write. Event names are not kept, because on
the Messages wire `data` repeats them as `type` (messages-wire 3).
"""

from __future__ import annotations

from typing import Final

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""More than a whole request may hold, so only an upstream gone astray gets here."""


class SSEDecoder:
    """Feed it whatever the network hands you; get back the data of the events completed so far."""

    def __init__(self) -> None:
        self.is_astray = False
        """Whether a line went beyond all measure; nothing is read after that."""
        self._line: list[bytes] = []  # pieces of a line without an end yet: joined once
        self._line_bytes = 0
        self._after_cr = False  # a LF that comes next is the rest of a CRLF
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._byte_order_mark = b"\xef\xbb\xbf"  # before the very first line there may be one

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes as they came; never raises, but may find itself astray."""
        events: list[bytes] = []
        if self.is_astray:
            return events
        first, *lines = self._with_lf(chunk).split(b"\n")
        self._hold(first)
        for line in lines:
            if self.is_astray:
                return events
            data = self._take(self._line[0] if len(self._line) == 1 else b"".join(self._line))
            if data is not None:
                events.append(data)
            self._line, self._line_bytes = [line], len(line)
            self.is_astray = max(len(line), self._data_bytes) > MAX_LINE_BYTES
        return events

    def _with_lf(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._line_bytes += len(piece)
        self.is_astray = self._line_bytes > MAX_LINE_BYTES

    def _take(self, line: bytes) -> bytes | None:
        if self._byte_order_mark:
            line, self._byte_order_mark = line.removeprefix(self._byte_order_mark), b""
        if not line:
            data, self._data, self._data_bytes = self._data, [], 0
            return b"\n".join(data) if data else None
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._data_bytes += len(line)
        elif line == b"data":
            self._data.append(b"")
        return None
