"""The response to a request that is refused before anything is done for it, as bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from proxy.error_app import NO_STORE_HEADERS
from proxy.errors import Failure
from proxy.headers import Headers, date_header, declared_length, first, headers_for_a_page
from translators import encode_error

_SHORT_BODY_BYTES: Final = 64 * 1024
"""Longest body that is read to its end after it was refused, to keep its connection."""


def is_short_body(headers: Headers) -> bool:
    """Return True if the body of a request with these headers is worth reading for nothing."""
    is_chunked = first(headers, b"transfer-encoding") is not None
    return not is_chunked and declared_length(headers) <= _SHORT_BODY_BYTES


def whole_response(failure: Failure, headers: Headers, *, keeps_alive: bool) -> bytes:
    """Return the response that tells the sender of these headers about a failure."""
    head, body = _same_for_all(failure.status, failure.error_type, str(failure), failure.headers)
    lines = [b"%b: %b" % header for header in (*headers_for_a_page(headers), date_header())]
    if not keeps_alive:
        lines.append(b"connection: close")
    return head + b"\r\n".join((*lines, b"", body))


@lru_cache(16)
def _same_for_all(
    status: int, error_type: str, text: str, headers: tuple[tuple[bytes, bytes], ...]
) -> tuple[bytes, bytes]:
    """Return the part of the head, and the body, that all who are refused so get."""
    body = encode_error(error_type, text, None)
    own = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    lines = [b"%b: %b\r\n" % header for header in (*headers, *NO_STORE_HEADERS, *own)]
    return STATUS_LINE[status] + b"".join(lines), body
