"""
Reads the responses of one HTTP/1.1 connection (RFC 9112); bytes go in, no I/O is done.

The bytes are taken apart by httptools, which uvicorn brings. This module
decides what a response is, when it is complete and whether the connection may
carry another request. A test feeds the same bytes to it and to h11.
"""

from __future__ import annotations

import enum
from typing import Final

import httptools

from proxy.headers import Headers

_MAX_NON_BODY_BYTES: Final = 256 * 1024
"""Most bytes of heads, chunk sizes and trailers that are read in a row without any of a body."""
_INTERIM: Final = range(100, 200)


class ConnectionState(enum.Enum):
    """The states of a connection, by what it can be used for."""

    NEW = enum.auto()
    """No request has been sent yet."""
    ACTIVE = enum.auto()
    """A request has been sent and its response is not complete."""
    IDLE = enum.auto()
    """The last response is complete, and another request may be sent."""
    CLOSED = enum.auto()
    """No other request may be sent."""


class ResponseError(Exception):
    """The upstream sent bytes that are no response, or too many that are no body."""


class ParsedResponse:
    """The part of a response that has arrived: the head, and the unread pieces of its body."""

    def __init__(self, *, has_body: bool) -> None:
        self.status = 0
        self.headers: Headers = []
        self.has_head = False
        self.has_body = has_body
        """False for the response to HEAD, which has no body whatever length it names."""
        self.is_complete = False
        self.pieces: list[bytes] = []
        self.unread_bytes = 0

    @property
    def ends_with_connection(self) -> bool:
        """True if the body has neither a length nor chunks, so that only a close can end it."""
        names = {name.lower() for name, _ in self.headers}
        return self.has_head and names.isdisjoint((b"content-length", b"transfer-encoding"))


class ResponseParser:
    """The state of one connection, and the parser of its responses, one after the other."""

    def __init__(self) -> None:
        self.state = ConnectionState.NEW
        self._http = httptools.HttpResponseParser(self)
        # Other clients read padded chunk sizes, too.
        self._http.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        self._response: ParsedResponse | None = None
        self._can_be_reused = True
        self._non_body_bytes = 0

    @property
    def has_begun(self) -> bool:
        """True if any byte of the awaited response has arrived."""
        response = self._response
        return response is not None and (response.has_head or self._non_body_bytes > 0)

    def begin(self, response: ParsedResponse) -> None:
        """Note that a request has been sent; `response` is filled in by what is fed from now on."""
        assert self.state in {ConnectionState.NEW, ConnectionState.IDLE}
        self.state, self._response, self._non_body_bytes = ConnectionState.ACTIVE, response, 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raises `ResponseError` if the response cannot be read further."""
        response = self._response
        if response is None:
            if not data.strip(b"\r\n"):
                return  # a line end too many, which the parser skips before a response, too
            # Taken for the answer to the next request, it could reach another client.
            self.close()
            raise ResponseError("The upstream sent a response that no request asked for.")
        unread_before = response.unread_bytes
        try:
            self._http.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._can_be_reused = False
            if not response.is_complete:
                self.close()
                raise ResponseError("The upstream does not speak HTTP.") from None
        if response.is_complete:
            self._response = None
            self.state = ConnectionState.IDLE if self._can_be_reused else ConnectionState.CLOSED
        elif response.unread_bytes > unread_before:
            self._non_body_bytes = 0
        else:
            self._non_body_bytes += len(data)
            if self._non_body_bytes > _MAX_NON_BODY_BYTES:
                self.close()
                raise ResponseError("The upstream's headers are too long.")

    def feed_eof(self) -> None:
        """Take the end of the connection; it completes a response that has no other end."""
        if (response := self._response) is not None and response.ends_with_connection:
            response.is_complete = True
        self.state = ConnectionState.CLOSED

    def close(self) -> None:
        """Let the parser go; nothing may be fed any more."""
        self.state = ConnectionState.CLOSED
        self._response = None
        # It holds this object, too: without the collector neither would be freed.
        self.__dict__.pop("_http", None)

    # What httptools calls

    def on_message_begin(self) -> None:
        """Notice a second response to one request: the upstream is out of step."""
        # Other clients read a gateway's head whose lines end without CR, too.
        self._http.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        if self._response is None or self._response.is_complete:
            self._can_be_reused = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers, which come after the body, are dropped."""
        if (response := self._response) is not None and not response.has_head:
            # White space at the end is no part of a value (RFC 9110, section 5.5).
            response.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Take the end of a head; an interim response is forgotten."""
        # In chunks the CR has to be there: else one that is a byte short looks whole.
        self._http.set_dangerous_leniencies(lenient_optional_cr_before_lf=False)
        response = self._response
        if response is None or response.has_head:
            return
        status = self._http.get_status_code()
        if status in _INTERIM:
            response.headers.clear()
        else:
            response.status, response.has_head = status, True
            if not response.has_body:
                response.is_complete, self._can_be_reused = True, False

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        response = self._response
        if response is not None and response.has_head and not response.is_complete:
            response.pieces.append(piece)
            response.unread_bytes += len(piece)

    def on_message_complete(self) -> None:
        """Take the end of a response."""
        response = self._response
        if response is not None and response.has_head:
            response.is_complete = True
            self._can_be_reused &= self._http.should_keep_alive()
