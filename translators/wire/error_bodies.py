"""
Decode the error bodies of the Messages API, and read the reason in those of clouds and gateways.

Facts: messages-wire 4, bedrock-vertex A5 and B4, corrections B4.
"""

from __future__ import annotations

from typing import Final, cast

import msgspec

from translators.wire.long_json import UNREADABLE
from translators.wire.messages import ApiError


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """An error body; the edge leaves out the outer `type` and `request_id` (messages-wire 4)."""

    error: ApiError
    request_id: str | None = None


_REASON_FIELDS: Final = (
    *("message", "Message", "error_description", "error", "Error", "detail", "errors", "msg"),
    *("fault", "faultstring", "errorMessage", "error_msg", "title", "reason", "details"),
)
"""
Names of AWS, OAuth, Google, FastAPI, Apigee, Lambda, RFC 9457 and gateways: bedrock-vertex A5, B4;
corrections B4.
"""
_MAX_OTHER_ERROR_BYTES: Final = 16 * 1024
"""Longest body that is searched for a reason; all of its values become objects."""
_MAX_REASON_DEPTH: Final = 4
_MAX_REASONS: Final = 8
_MAX_PLAIN_TEXT_BYTES: Final = 1024
"""Longest body that is read as a sentence: `no healthy upstream` of Envoy, say."""
_ERROR: Final = msgspec.json.Decoder(ErrorEnvelope)


def decode_error(body: bytes) -> ErrorEnvelope | None:
    """
    Decode an error body; return None for any other body (HTML of an edge, empty).

    Errors of clouds and gateways are read, too: `{"message": ...}`, `{"error": "..."}`,
    `{"detail": ...}`, and any of them in a list. They have no type.
    """
    try:
        envelope = _ERROR.decode(body)
    except UNREADABLE:
        envelope = None
    has_message = envelope is not None and bool(envelope.error.message)
    if (has_message and b'"raw"' not in body) or len(body) > _MAX_OTHER_ERROR_BYTES:
        return envelope
    try:
        other = msgspec.json.decode(body.decode("utf-8-sig", "replace"))
    except UNREADABLE:
        return envelope
    match other:
        case {"error": {"message": str(said), "metadata": {"raw": str(raw)}}}:  # OpenRouter
            return ErrorEnvelope(ApiError("", f"{said}: {error_message(raw.encode()) or raw}"))
        case _ if has_message:
            return envelope
        case _:
            reason = "" if isinstance(other, str) else _reason(other)
            return ErrorEnvelope(ApiError("", reason)) if reason else envelope


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
        found = [_reason(one, depth + 1) for one in many]
        return "; ".join(reason for reason in found if reason)
    if isinstance(other, dict):
        fields = cast("dict[str, object]", other)
        found = [_reason(fields.get(name), depth + 1) for name in _REASON_FIELDS]
        reason = next((reason for reason in found if reason), "")
        if isinstance(fields.get("msg"), str) and isinstance(place := fields.get("loc"), list):
            field = ".".join(map(str, cast("list[object]", place)[1:]))  # FastAPI's validator
            return f"{field}: {reason}" if field else reason
        return reason
    return ""
