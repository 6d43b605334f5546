"""
Server-sent events: bytes in, the data of each event out.

Lines end at CR, LF or CRLF and nowhere else, and are split before decoding:
`str.splitlines()` and `httpx.Response.aiter_lines()` also break at U+2028 and
friends, which a model may well write. Event names are not kept, because on
the Messages wire `data` repeats them as `type` (messages-wire 3).
"""

from __future__ import annotations

from typing import Final

from translators.exceptions import UpstreamProtocolError

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""More than a whole request may hold, so only an upstream gone astray gets here."""


class SSEDecoder:
    """Feed it whatever the network hands you; get back the data of the events completed so far."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # pieces of a line without an end yet: joined once
        self._line_bytes = 0
        self._after_cr = False  # a LF that comes next is the rest of a CRLF
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes as they came; raise `UpstreamProtocolError` on a line beyond all measure."""
        chunk = self._with_lf(chunk)
        head, newline, rest = chunk.partition(b"\n")
        self._hold(head)
        if not newline:
            return []
        lines = [b"".join(self._line), *rest.split(b"\n")]
        self._line, self._line_bytes = [], 0
        self._hold(lines.pop())
        return [data for line in lines if (data := self._take(line)) is not None]

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
        if self._line_bytes > MAX_LINE_BYTES:
            raise UpstreamProtocolError(
                f"event stream: a line is longer than {MAX_LINE_BYTES} bytes"
            )

    def _take(self, line: bytes) -> bytes | None:
        if not line:
            data, self._data = self._data, []
            return b"\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        return None
