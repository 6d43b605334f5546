"""
Decode server-sent events into the data of each event.

Lines end at CR, LF or CRLF and nowhere else, and are split as bytes:
`str.splitlines()` and `httpx.Response.aiter_lines()` also break at U+2028 and
similar characters, which a model may write. Event names are dropped, because
`data` repeats them as `type` in the Messages API (messages-wire 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""Limit on a line and on an event's data; more than a whole request may have."""

_LINE_OVERHEAD_BYTES: Final = 64
"""Memory that each further line of an event takes in addition to its content."""

_CHUNK_BYTES: Final = 64 * 1024
_CR: Final = ord("\r")  # searching bytes for an integer is much faster than for a byte string

# An event in upstream's usual form. The pattern is anchored and possessive, so that a text full of
# "data: " is read only once.
_PLAIN_EVENT: Final = re.compile(rb"(?m)^(?:event:.*+\n)?+data: (.*+)\n\n")


_BEGINS_A_STREAM: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*+(?:event|data|id|retry)?:")


def is_event_stream(body: bytes) -> bool:
    """Return True if a body begins like a stream of events, whatever its content type says."""
    return _BEGINS_A_STREAM.match(body) is not None


class SSEDecoder:
    """Decodes a stream of events that arrives in chunks of any size."""

    def __init__(self) -> None:
        self.is_too_long = False
        """True once a line or an event exceeded MAX_LINE_BYTES; nothing is decoded after that."""
        self._line: list[bytes] = []  # pieces of an unfinished line, joined only once
        self._line_bytes = 0
        self._after_cr = False  # a LF at the start of the next chunk completes a CRLF
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._byte_order_mark = b"\xef\xbb\xbf"  # may precede the first line

    def feed(self, chunk: bytes) -> list[bytes]:
        """Decode more bytes; return the data of the events that they complete. Never raises."""
        events: list[bytes] = []
        if self._after_cr or _CR in chunk:
            chunk = self._normalize_newlines(chunk)
        if self._line or self._data:
            head, end, chunk = chunk.partition(b"\n\n")
            events = self._read_lines(head + end)
        # Here an event begins. A pattern finds events of the usual form several times faster than
        # a loop over lines. If anything stands between its matches, the loop has to decode it all.
        found = _PLAIN_EVENT.split(chunk)
        rest = found.pop()
        if any(found[::2]) or len(chunk) > MAX_LINE_BYTES or self.is_too_long:
            return events + self._read_lines(chunk)
        if found:
            self._byte_order_mark = b""
            events += found[1::2]
        if rest:
            events += self._read_lines(rest)
        return events

    def feed_whole(self, body: bytes) -> Iterator[bytes]:
        """Decode a whole body, chunk by chunk: all its events at once take a lot of memory."""
        for start in range(0, len(body), _CHUNK_BYTES):
            yield from self.feed(body[start : start + _CHUNK_BYTES])

    def _read_lines(self, chunk: bytes) -> list[bytes]:
        events: list[bytes] = []
        if self.is_too_long:
            return events
        first, *lines = chunk.split(b"\n")
        if first:
            self._line.append(first)
            self._line_bytes += len(first)
        self.is_too_long = self._line_bytes > MAX_LINE_BYTES
        for line in lines:
            if self.is_too_long:
                return events
            data = self._read_line(self._line[0] if len(self._line) == 1 else b"".join(self._line))
            if data is not None:
                events.append(data)
            self._line, self._line_bytes = [line] if line else [], len(line)
            self.is_too_long = max(len(line), self._data_bytes) > MAX_LINE_BYTES
        return events

    def _normalize_newlines(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if _CR in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _read_line(self, line: bytes) -> bytes | None:
        """Process a line; return the data of an event if the line ends one."""
        if self._byte_order_mark:
            line, self._byte_order_mark = line.removeprefix(self._byte_order_mark), b""
        if not line:
            data, self._data, self._data_bytes = self._data, [], 0
            return b"\n".join(data) if data else None
        overhead = _LINE_OVERHEAD_BYTES if self._data else 0
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b" ", 5) else line[5:])  # copy only once
        elif line == b"data":
            self._data.append(b"")
        else:
            return None
        self._data_bytes += len(line) + overhead
        return None
