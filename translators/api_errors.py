"""
Translate an upstream error into the legacy error envelope.

Status, type and message stay the same, except that names of Messages fields in
the message become the legacy ones, because the client never sent `max_tokens`.
The reason in an error of a cloud's or a gateway's shape is kept. A body that
is no error (HTML of an edge, an empty body) gets the type that belongs to its
status, and a message of our own; a short plain text is the message itself.
Facts: messages-wire 4, legacy-wire 7, corrections B4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from translators.wire.error_bodies import decode_error, plain_text

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
_CLIENT_ERRORS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)


@dataclass(frozen=True, slots=True)
class TranslatedError:
    """The status and the error object that a legacy client gets."""

    status: int
    type: str
    message: str
    request_id: str | None


def translate_error(status: int, body: bytes) -> TranslatedError:
    """Translate a response whose status is not 2xx, or an error object in a 2xx response."""
    envelope = decode_error(body)
    if status in _CLIENT_ERRORS or status in _SERVER_ERRORS:
        sent_status = status
    else:  # the legacy API neither redirects a POST nor sends an error with status 200
        kind = envelope.error.type if envelope else ""
        sent_status = error_status(kind) if kind else 502
    if envelope is None:
        is_error = status in _CLIENT_ERRORS or status in _SERVER_ERRORS
        message = (plain_text(body) if is_error else "") or (
            f"The upstream answered with status {status} and "
            + ("no error object." if is_error else "neither a message nor an error object.")
        )
        return TranslatedError(sent_status, error_type(sent_status), message, None)
    kind = envelope.error.type or error_type(sent_status)
    message = envelope.error.message or f"The upstream answered with status {status}."
    return TranslatedError(sent_status, kind, in_legacy_terms(message, kind), envelope.request_id)


def error_type(status: int) -> str:
    """Return the error type that belongs to a status."""
    return _TYPES.get(status, "invalid_request_error" if status in _CLIENT_ERRORS else "api_error")


def error_status(kind: str) -> int:
    """Return the status that belongs to an error type; 500 for an unknown one."""
    return _STATUSES.get(kind, 500)


_NAMED_FIELD: Final = re.compile(
    r"(?:\A|(?<=[:;] ))(?:(?P<prompt>messages|system)(?:\.[\w.]+)?|max_tokens)(?=:)"
)
_QUOTED_FIELD: Final = re.compile(r"`(?P<name>max_tokens|messages|system)`")
_LEGACY_NAMES: Final = {
    "max_tokens": "max_tokens_to_sample",
    "messages": "prompt",
    "system": "prompt",
}


def in_legacy_terms(message: str, kind: str) -> str:
    """Replace names of Messages fields in the message of an `invalid_request_error`."""
    if kind != "invalid_request_error":
        return message
    message = _NAMED_FIELD.sub(
        lambda field: "prompt" if field["prompt"] else "max_tokens_to_sample", message
    )
    return _QUOTED_FIELD.sub(lambda field: f"`{_LEGACY_NAMES[field['name']]}`", message)
