"""Decompression and JSON decoding of request bodies, with the errors of the API."""

from __future__ import annotations

import re
import zlib
from typing import Final

import msgspec

from proxy.simulator.api_errors import ApiError, invalid_request

MAX_BODY_BYTES: Final = 32_000_000  # messages-wire 1.9: "32 MB"; whether MB or MiB is not known

_TOO_LARGE: Final = "Request exceeds the maximum size"
_GZIP_WINDOW: Final = 31

_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def decode_json(body: bytes, *, content_encoding: str = "") -> object:
    plain = _decompress(body, content_encoding.lower())
    try:
        return msgspec.json.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        complaint = str(exc)  # *assumed*, other than the text about a lone surrogate
        if (surrogate := _LONE_SURROGATE.search(plain)) is not None:
            at = surrogate.start()
            complaint = f"no low surrogate in string: line 1 column {at + 1} (char {at})"
        raise invalid_request(f"The request body is not valid JSON: {complaint}") from exc


def _decompress(body: bytes, content_encoding: str) -> bytes:
    """
    Return the plain body (messages-wire 1.9).

    The error codes are documented, the texts are *assumed*.
    """
    if content_encoding in {"", "identity"}:
        return body
    if content_encoding != "gzip":
        raise ApiError(
            400,
            f"content-encoding: {content_encoding} is not supported",
            error_code="request_body_encoding_unsupported",
        )
    try:
        plain = zlib.decompressobj(wbits=_GZIP_WINDOW).decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as exc:
        raise ApiError(
            400, f"content-encoding: {exc}", error_code="request_body_encoding_invalid"
        ) from exc
    if len(plain) > MAX_BODY_BYTES:
        raise ApiError(413, _TOO_LARGE, error_code="request_body_too_large_after_decoding")
    return plain


def body_too_large() -> ApiError:
    """Return the 413 of the edge, which does not know request ids (messages-wire 4)."""
    return ApiError(413, _TOO_LARGE)
