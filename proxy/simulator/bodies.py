"""Request bodies: bytes in, decoded JSON out, or the refusal that the API would give."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from proxy.simulator.refusals import Refusal, invalid_request

LARGEST_BODY: Final = 32_000_000  # messages-wire 1.9: "32 MB"; whether MB or MiB is not known

_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def decode_json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise invalid_request(f"The request body is not valid JSON: {_complaint(body, exc)}") from (
            exc
        )


def _complaint(body: bytes, exc: Exception) -> str:
    """The text for lone surrogates is recorded in many client issues; the others are *assumed*."""
    surrogate = _LONE_SURROGATE.search(body)
    if surrogate is None:
        return str(exc)
    position = surrogate.start()
    return f"no low surrogate in string: line 1 column {position + 1} (char {position})"


def body_too_large() -> Refusal:
    """Given by the edge, which has never heard of request ids (messages-wire 4)."""
    return Refusal(413, "Request exceeds the maximum size")
