"""
Server-sent events: bytes in, the data of each event out.

Lines end at CR, LF or CRLF and nowhere else, and are split before decoding:
`str.splitlines()` and `httpx.Response.aiter_lines()` also break at U+2028 and
friends, which a model may well write. Event names are not kept, because on
the Messages wire `data` repeats them as `type` (messages-wire 3).
"""

from __future__ import annotations

import re
from typing import Final

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""More than a whole request may hold, so only an upstream gone astray gets here."""

_BESIDE_A_LINE: Final = 64
"""Bytes that each further line of an event takes in memory, however short it is."""

_CR: Final = ord("\r")  # a number is found in bytes much faster than bytes are

# An event as upstream spells it. Anchored and possessive: text full of "data: " is read once.
_PLAIN_EVENT: Final = re.compile(rb"(?m)^(?:event:.*+\n)?+data: (.*+)\n\n")


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
        if self._after_cr or _CR in chunk:
            chunk = self._with_lf(chunk)
        if self._line or self._data:
            head, end, chunk = chunk.partition(b"\n\n")
            events = self._read_lines(head + end)
        # At the beginning of an event, a pattern finds plain ones several times faster than a loop
        # over lines; what it finds is what the loop would, as long as nothing stands between.
        found = _PLAIN_EVENT.split(chunk)
        rest = found.pop()
        if any(found[::2]) or len(chunk) > MAX_LINE_BYTES or self.is_astray:
            return events + self._read_lines(chunk)
        if found:
            self._byte_order_mark = b""
            events += found[1::2]
        if rest:
            events += self._read_lines(rest)
        return events

    def _read_lines(self, chunk: bytes) -> list[bytes]:
        events: list[bytes] = []
        if self.is_astray:
            return events
        first, *lines = chunk.split(b"\n")
        self._hold(first)
        for line in lines:
            if self.is_astray:
                return events
            data = self._take(self._line[0] if len(self._line) == 1 else b"".join(self._line))
            if data is not None:
                events.append(data)
            self._line, self._line_bytes = [line] if line else [], len(line)
            self.is_astray = max(len(line), self._data_bytes) > MAX_LINE_BYTES
        return events

    def _with_lf(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if _CR in chunk:
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
        beside = _BESIDE_A_LINE if self._data else 0
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b" ", 5) else line[5:])  # copied once
        elif line == b"data":
            self._data.append(b"")
        else:
            return None
        self._data_bytes += len(line) + beside
        return None
