"""
Decode the errors of the Messages API, and read the reason in those of clouds and gateways.

Facts: messages-wire 4, bedrock-vertex A5 and B4, corrections B4.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final, cast

import msgspec

from translators.wire.long_json import UNREADABLE
from translators.wire.sse import SSEDecoder, is_event_stream

_MAX_TYPE_LENGTH: Final = 256
_MAX_MESSAGE_LENGTH: Final = 16 * 1024


class ApiError(msgspec.Struct, frozen=True):
    """An error of either API; its message is cut at a length that no error needs."""

    type: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        """Cut a message, and drop a type, that is longer than any error needs."""
        if len(self.type) > _MAX_TYPE_LENGTH:
            msgspec.structs.force_setattr(self, "type", "")
        if len(self.message) > _MAX_MESSAGE_LENGTH:
            cut = f"{self.message[:_MAX_MESSAGE_LENGTH]}..."
            msgspec.structs.force_setattr(self, "message", cut)


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """An error body; the edge leaves out the outer `type` and `request_id` (messages-wire 4)."""

    error: ApiError
    request_id: str | None = None


_SAYING: Final = (
    *("message", "Message", "error_description", "errorMessage", "error_message", "error_msg"),
    *("msg", "faultstring", "fault", "error", "Error", "err", "exception", "detail", "title"),
    *("reason", "errorMessages"),
)
"""
Names of what went wrong, by AWS, OAuth, Google, FastAPI, Apigee, Lambda, RFC 9457 and gateways, the
most telling first: bedrock-vertex A5, B4; corrections B4.
"""
_SAYING_INSIDE: Final = (*_SAYING, "description", "text")
"""Names of the same inside of one of these; by themselves they may be about anything."""
_AROUND: Final = ("response", "result", "data", "body")
"""Names of what gateways put around an error of another; they may be about anything, too."""
_DETAILS: Final = ("errors", "details", "fieldViolations", "invalid-params", "issues")
"""Names of what was wrong with each part of a request."""
_PLACES: Final = ("field", "param", "pointer", "name")
"""Names of the part that an entry of the details is about."""
_MAX_OTHER_ERROR_BYTES: Final = 16 * 1024
"""Longest body that is searched for a reason; all of its values become objects."""
_MAX_REASON_DEPTH: Final = 6
_DEPTH_OF_ENTRIES: Final = 2
_MAX_REASONS: Final = 8
_MAX_PLAIN_TEXT_BYTES: Final = 1024
"""Longest body that is read as a sentence: `no healthy upstream` of Envoy, say."""
_ERROR: Final = msgspec.json.Decoder(ErrorEnvelope)


class _Event(msgspec.Struct):
    type: str = ""
    error: object = None


_EVENT: Final = msgspec.json.Decoder(_Event)


def decode_error(body: bytes) -> ErrorEnvelope | None:
    """
    Decode an error body; return None for any other body (HTML of an edge, empty).

    Errors of clouds and gateways are read, too: `{"message": ...}`, `{"error": "..."}`,
    `{"detail": ...}`, `{"errors": {"prompt": [...]}}`, and any of them in a list. Most have no
    type. A gateway may frame any of them as an event of a stream.
    """
    if len(body) <= _MAX_OTHER_ERROR_BYTES and is_event_stream(body):
        errors = map(error_of_event, SSEDecoder().feed(body + b"\n\n"))
        error = next(filter(None, errors), None)
        return ErrorEnvelope(error) if error else None
    return _decode_error(body)


def error_of_event(data: bytes) -> ApiError | None:
    """Return the error that an event of a stream is about, or None; gateways leave out its type."""
    try:
        event = _EVENT.decode(data)
    except UNREADABLE:
        return None
    if event.type != "error" and (event.type or not event.error):
        return None
    envelope = _decode_error(data)
    return envelope.error if envelope else None


def _decode_error(body: bytes) -> ErrorEnvelope | None:
    envelope = _decode_one_error(body)
    if envelope is None or not envelope.error.message.startswith("{"):
        return envelope
    # A gateway may have written the whole error of another into its message. Each such level
    # doubles the backslashes, so that there are few.
    inner = _decode_error(envelope.error.message.encode())
    if inner is None or not inner.error.message:
        return envelope
    error = ApiError(inner.error.type or envelope.error.type, inner.error.message)
    return ErrorEnvelope(error, envelope.request_id or inner.request_id)


def _decode_one_error(body: bytes) -> ErrorEnvelope | None:
    try:
        envelope = _ERROR.decode(body)
    except UNREADABLE:
        envelope = None
    error = envelope.error if envelope else ApiError()
    is_whole = bool(error.type and error.message)
    if (is_whole and b'"raw"' not in body) or len(body) > _MAX_OTHER_ERROR_BYTES:
        return envelope
    try:
        other = msgspec.json.decode(body.decode("utf-8-sig", "replace"))
    except UNREADABLE:
        return envelope
    match other:
        case {"error": {"message": str(said), "metadata": {"raw": str(raw)}}}:  # OpenRouter
            return ErrorEnvelope(ApiError("", f"{said}: {error_message(raw.encode()) or raw}"))
        case str():
            return envelope
        case _ if is_whole or not (reason := _reason(other)):
            return envelope
        case _:
            return ErrorEnvelope(ApiError(error.type, reason))


def plain_text(body: bytes) -> str:
    """Return an error's body that is a short text; an empty text for a page or broken JSON."""
    if len(body) > _MAX_PLAIN_TEXT_BYTES:
        return ""
    try:
        decoded = msgspec.json.decode(body)
    except UNREADABLE:
        decoded = body.decode("utf-8", "replace")
    text = " ".join(decoded.split()) if isinstance(decoded, str) else ""
    return text if text[:1].isalnum() and text.isprintable() and "\ufffd" not in text else ""


def error_message(body: bytes) -> str:
    """Return the message of an error body, or an empty text."""
    envelope = decode_error(body)
    return envelope.error.message if envelope else ""


def _reason(other: object, depth: int = 0) -> str:
    """Return the reason that an error of another API gives, or an empty text."""
    if isinstance(other, str):
        return other
    if depth == _MAX_REASON_DEPTH:
        return ""
    if isinstance(other, list):
        many = cast("list[object]", other)[:_MAX_REASONS]
        return _joined(_reason(one, depth + 1) for one in many)
    if not isinstance(other, dict):
        return ""
    fields = cast("dict[str, object]", other)
    names = _SAYING_INSIDE if depth else _SAYING
    said = next(filter(None, (_reason(fields.get(name), depth + 1) for name in names)), "")
    details = _joined(_reason(fields.get(name), depth + 1) for name in _DETAILS)
    if not (said or details):
        return _reason_inside(fields, depth) or _reasons_by_field(fields, depth)
    reason = said if details in said else ": ".join(filter(None, (said.rstrip("."), details)))
    place = _place(fields, depth)
    return f"{place}: {reason}" if place else reason


def _reason_inside(fields: dict[str, object], depth: int) -> str:
    """Return the reason of the error that a gateway has put something around, or an empty text."""
    around = (fields.get(name) for name in _AROUND)
    inside = (cast("dict[str, object]", one) for one in around if isinstance(one, dict))
    said = (_reason(one, depth + 1) for one in inside if not one.keys().isdisjoint(_SAYING))
    return next(filter(None, said), "")


def _reasons_by_field(fields: dict[str, object], depth: int) -> str:
    """Return what an object says about the fields that it names: `{"prompt": ["too long"]}`."""
    if depth == 0 and not all(map(_is_list_of_texts, fields.values())):
        return ""  # it may be about anything
    named = [
        (name, _reason(reasons, depth + 1))
        for name, reasons in islice(fields.items(), _MAX_REASONS)
        if name != "type" and not name.startswith("@")
    ]
    return _joined(f"{name}: {reason}" for name, reason in named if reason)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) for one in cast("list[object]", value)
    )


def _place(fields: dict[str, object], depth: int) -> str:
    """Return the part of a request that an entry is about, or an empty text."""
    if isinstance(place := fields.get("loc"), list):  # FastAPI's validator
        return ".".join(map(str, cast("list[object]", place)[1:]))
    if depth < _DEPTH_OF_ENTRIES:
        return ""
    names = (fields.get(name) for name in _PLACES)
    place = next((name for name in names if isinstance(name, str)), "")
    return place.lstrip("#/").replace("/", ".")


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(filter(None, reasons))
