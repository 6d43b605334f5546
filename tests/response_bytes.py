"""Bytes of upstreams, as our parser and an independent one read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import h11

from proxy.upstream.response_parser import (
    ConnectionState,
    ParsedResponse,
    ResponseError,
    ResponseParser,
)

_PADDED_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f][ \t]+(;|\r\n)")


@dataclass(frozen=True)
class Reading:
    """How one implementation reads the bytes of a connection that then ends."""

    status: int | None = None
    """None: no head was accepted."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    is_complete: bool = False
    may_be_reused: bool = False


def read_by_us(pieces: Sequence[bytes], *, has_body: bool = True) -> Reading:
    """Read pieces with our parser."""
    parser, response = ResponseParser(), ParsedResponse(has_body=has_body)
    parser.begin(response)
    state = parser.state
    try:
        for piece in pieces:
            if parser.state is ConnectionState.CLOSED:
                break
            parser.feed(piece)
        state = parser.state
        parser.feed_eof()
    except ResponseError:
        state = parser.state
    parser.close()
    if not response.has_head:
        return Reading()
    return Reading(
        status=response.status,
        headers=tuple((name.lower(), value) for name, value in response.headers),
        body=b"".join(response.pieces),
        is_complete=response.is_complete,
        may_be_reused=state is ConnectionState.IDLE,
    )


def read_by_h11(said: bytes, *, has_body: bool = True) -> Reading:
    """Read bytes with h11."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    method = "GET" if has_body else "HEAD"
    connection.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(said)
    head, body, is_complete, may_be_reused = None, b"", False, False
    with suppress(h11.RemoteProtocolError):
        while not is_complete:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                is_complete = True
                has_closed = connection.their_state is not h11.DONE
                surplus, _ = connection.trailing_data
                # Line ends between two responses are skipped, and mistaken for nothing.
                may_be_reused = not has_closed and not surplus.strip(b"\r\n")
            elif event is h11.NEED_DATA:
                connection.receive_data(b"")  # the connection ends
            elif not isinstance(event, h11.InformationalResponse):
                break
    if head is None:
        return Reading()
    return Reading(
        status=head.status_code,
        headers=tuple((name, value) for name, value in head.headers),
        body=body,
        is_complete=is_complete,
        may_be_reused=may_be_reused,
    )


def cut(said: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut bytes at these places."""
    places = sorted({0, len(said), *(place % (len(said) or 1) for place in cuts)})
    return [said[start:end] for start, end in pairwise(places)]


def check_reading(said: bytes, pieces: Sequence[bytes]) -> None:
    """Check that bytes are read alike in pieces, and never look whole if they do not to h11."""
    ours, theirs = read_by_us([said]), read_by_h11(said)

    assert read_by_us(pieces) == ours
    if ours.status is None or theirs.status is None:
        return  # one of them refuses the head
    assert (ours.status, ours.headers) == (theirs.status, theirs.headers)
    if _PADDED_CHUNK_SIZE.search(said):
        return  # RFC 9112 allows white space before an extension, and h11 refuses it
    if ours.is_complete:
        assert (theirs.is_complete, theirs.body) == (True, ours.body)
    assert theirs.may_be_reused or not ours.may_be_reused
