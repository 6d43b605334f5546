"""
An upstream error in, the legacy envelope out.

Status, type and message stay; names of Messages fields in the message become
the legacy ones, since the caller has never heard of `max_tokens`. Whatever is
no API error (HTML of an edge, an empty body) gets the type of its status and
a plain sentence. Facts: messages-wire 4, legacy-wire 7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from translators.wire.messages import decode_error

_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES: Final[Mapping[str, int]] = {kind: status for status, kind in _TYPES.items()}
_CLIENTS_FAULT: Final = range(400, 500)
_SERVERS_FAULT: Final = range(500, 600)


@dataclass(frozen=True, slots=True)
class TranslatedError:
    """What a legacy client is told."""

    status: int
    type: str
    message: str
    request_id: str | None


def translate_error(status: int, body: bytes) -> TranslatedError:
    """Translate an answer whose status is not 2xx, or an error object in one whose status is."""
    envelope = decode_error(body)
    if status in _CLIENTS_FAULT or status in _SERVERS_FAULT:
        told = status
    else:  # 3xx is no answer to a POST, and an error is never a 200 on the legacy wire
        told = 502 if envelope is None else error_status(envelope.error.type)
    if envelope is None:
        message = f"The upstream answered with status {status} and no error object."
        return TranslatedError(told, error_type(told), message, None)
    kind = envelope.error.type or error_type(told)
    message = envelope.error.message or f"The upstream answered with status {status}."
    return TranslatedError(told, kind, in_legacy_terms(message, kind), envelope.request_id)


def error_type(status: int) -> str:
    """The type that goes with a status."""
    return _TYPES.get(status, "invalid_request_error" if status in _CLIENTS_FAULT else "api_error")


def error_status(kind: str) -> int:
    """The status of an error that came without one, such as the first event of a stream."""
    return _STATUSES.get(kind, 500)


_AT_THE_START: Final = re.compile(r"\A(?:(?P<prompt>messages|system)(?:\.[\w.]+)?|max_tokens)(?=:)")
_QUOTED: Final = re.compile(r"`(?P<name>max_tokens|messages|system)`")
_LEGACY_NAMES: Final = {
    "max_tokens": "max_tokens_to_sample",
    "messages": "prompt",
    "system": "prompt",
}


def in_legacy_terms(message: str, kind: str) -> str:
    """An error's message with the names of Messages fields replaced, if it is about the request."""
    if kind != "invalid_request_error":
        return message
    message = _AT_THE_START.sub(
        lambda field: "prompt" if field["prompt"] else "max_tokens_to_sample", message
    )
    return _QUOTED.sub(lambda field: f"`{_LEGACY_NAMES[field['name']]}`", message)
