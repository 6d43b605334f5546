"""
Decode the request of a Text Completions client.

Facts: legacy-wire 1.3. Messages of the 400s follow the validator that the API
uses today; for missing and ill-typed fields there is no recording of the legacy
API, so the wording is inferred.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from translators.errors import InvalidCompletionRequest
from translators.steps import STEP_SIZE, Steps, completed
from translators.wire.long_json import (
    UNREADABLE,
    DocumentTooLarge,
    read_json,
    read_short_json,
)


class CompletionMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `metadata` of a request; `user_id` is nullable since Python SDK 0.18."""

    user_id: str | None = None


class CompletionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /v1/complete`; null in an optional field means "not given"."""

    model: str
    prompt: str
    max_tokens_to_sample: int | float
    stop_sequences: tuple[str, ...] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | float | None = None
    metadata: CompletionMetadata | None = None
    stream: bool | None = None
    # Sent by TypeScript 0.4.2 to 0.4.4 and by Python 0.2.x: legacy-wire 1.3.
    tags: Mapping[str, str] | None = None
    disable_checks: bool | None = None


class DecodedRequest(msgspec.Struct, frozen=True):
    """A request, with the unknown fields and lone surrogates that decoding removed."""

    request: CompletionRequest
    unknown_fields: tuple[str, ...] = ()
    lone_surrogates: int = 0


_REQUEST: Final = msgspec.json.Decoder(CompletionRequest)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN: Final = frozenset(CompletionRequest.__struct_fields__)
_KNOWN_METADATA: Final = frozenset(CompletionMetadata.__struct_fields__)
_MAX_NAMES: Final = 64
_MAX_NAME_LENGTH: Final = 1024
"""Limit on the name of an unknown field; a longer one is described instead of quoted."""
_MAX_WORD_LENGTH: Final = 4096
"""Limit on a model, a user id and a stop sequence; far more than upstream accepts."""


def decode_completion_request(body: bytes) -> DecodedRequest:
    """Decode a request body; raise `InvalidCompletionRequest` that names the invalid field."""
    return completed(decode_in_steps(body))


def decode_in_steps(body: bytes) -> Steps[DecodedRequest]:
    """Decode a request body in steps, like `decode_completion_request`."""
    try:
        if len(body) <= STEP_SIZE:
            decoded, lone_surrogates = read_short_json(body, _decode)
        else:
            decoded, lone_surrogates = yield from read_json(body, _decode)
    except DocumentTooLarge as exc:
        raise InvalidCompletionRequest(f"The request body is too large to decode: {exc}") from exc
    except UNREADABLE as exc:
        # The decoders' messages have a position and a reason, never content.
        raise InvalidCompletionRequest(f"The request body is not valid JSON: {exc}") from exc
    _check_lengths(decoded.request)
    if not (lone_surrogates or decoded.unknown_fields):
        return decoded
    names = [
        name if len(name) <= _MAX_NAME_LENGTH else f"(a name of {len(name)} characters)"
        for name in decoded.unknown_fields
    ]
    return DecodedRequest(decoded.request, tuple(names), lone_surrogates)


def _decode(body: bytes) -> DecodedRequest:
    try:
        return DecodedRequest(_validated(_REQUEST.decode(body)))
    except msgspec.ValidationError as exc:
        first_error = exc
    # Unknown fields are rare, so the body is searched for them only after decoding has failed.
    try:
        known, unknown = _without_unknown_fields(body)
        return DecodedRequest(_validated(_REQUEST.decode(known)), unknown)
    except msgspec.ValidationError as exc:
        raise _field_error(exc) from first_error


def _without_unknown_fields(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    fields = _OBJECT.decode(body)
    unknown = [name for name in fields if name not in _KNOWN]
    metadata = bytes(fields.get("metadata", b""))
    if metadata.startswith(b"{"):
        inner = _OBJECT.decode(metadata)
        unknown += [f"metadata.{name}" for name in inner if name not in _KNOWN_METADATA]
        fields["metadata"] = _raw_object(inner, _KNOWN_METADATA)
    return bytes(_raw_object(fields, _KNOWN)), tuple(unknown[:_MAX_NAMES])


def _raw_object(fields: Mapping[str, msgspec.Raw], known: frozenset[str]) -> msgspec.Raw:
    kept = {name: value for name, value in fields.items() if name in known}
    return msgspec.Raw(msgspec.json.encode(kept))


_MAX_INTEGER: Final = 2**63 - 1
"""Limit on top_k: JSON encoders and decoders may not support a larger integer."""


def _validated(request: CompletionRequest) -> CompletionRequest:
    if not request.model:
        raise InvalidCompletionRequest("model: String should have at least 1 character")
    _check_integer("max_tokens_to_sample", request.max_tokens_to_sample, minimum=1)
    if request.top_k is not None:
        _check_integer("top_k", request.top_k, minimum=-1)
        if request.top_k > _MAX_INTEGER:
            raise InvalidCompletionRequest(
                f"top_k: Input should be less than or equal to {_MAX_INTEGER}"
            )
    _check_share("temperature", request.temperature)
    _check_share("top_p", None if request.top_p == -1 else request.top_p)
    return request


def _check_lengths(request: CompletionRequest) -> None:
    stops = request.stop_sequences or ()
    user_id = request.metadata.user_id if request.metadata else None
    if max(map(len, (request.model, user_id or "", *stops))) <= _MAX_WORD_LENGTH:
        return
    words = [("model", request.model), ("metadata.user_id", user_id or "")]
    words += [(f"stop_sequences.{number}", stop) for number, stop in enumerate(stops)]
    name = next(name for name, word in words if len(word) > _MAX_WORD_LENGTH)
    raise InvalidCompletionRequest(
        f"{name}: String should have at most {_MAX_WORD_LENGTH} characters"
    )


def _check_share(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InvalidCompletionRequest(f"{name}: range: 0..1")  # as recorded: messages-wire 1.7


def _check_integer(name: str, value: float, *, minimum: int) -> None:
    if value != int(value):
        raise InvalidCompletionRequest(f"{name}: Input should be a valid integer")
    if value < minimum:
        raise InvalidCompletionRequest(
            f"{name}: Input should be greater than or equal to {minimum}"
        )


_MISSING: Final = re.compile(r"missing required field `(?P<field>\w+)`")
_EXPECTED: Final = re.compile(r"Expected `(?P<type>\w+)[^`]*`")
_PATH: Final = re.compile(r"at `\$\.(?P<path>[^`]+)`")
_TYPE_NAMES: Final[Mapping[str, str]] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "list",
    "object": "dictionary",
}


def _field_error(error: msgspec.ValidationError) -> InvalidCompletionRequest:
    """Translate msgspec's message into the wording of the API's validator."""
    text = str(error)
    path = _PATH.search(text)
    field = path["path"].replace("[...]", "").replace("[", ".").replace("]", "") if path else ""
    if missing := _MISSING.search(text):
        return InvalidCompletionRequest(f"{missing['field']}: Field required")
    expected = _EXPECTED.search(text)
    word = _TYPE_NAMES.get(expected["type"]) if expected else None
    wanted = f"Input should be a valid {word}" if word else text.partition(" - at ")[0]
    if not field:
        return InvalidCompletionRequest(wanted)
    return InvalidCompletionRequest(f"{field}: {wanted}")
