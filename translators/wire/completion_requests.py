"""
Decode the request of a Text Completions client.

Facts: legacy-wire 1.3. The 400s are worded as the legacy server's validator, pydantic 1, worded
them. Recorded are `extra fields not permitted` (legacy-wire 7.3), and from its offer on Bedrock
the range of `max_tokens_to_sample` (corrections A12); the others are that validator's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast, get_type_hints

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
    max_tokens_to_sample: int
    stop_sequences: tuple[str, ...] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: CompletionMetadata | None = None
    stream: bool | None = None
    # Sent by TypeScript 0.4.2 to 0.4.4 and by Python 0.2.x: legacy-wire 1.3.
    tags: Mapping[str, str] | None = None
    disable_checks: bool | None = None


class LaxField(msgspec.Struct, frozen=True):
    """A field whose value had another type than the API names, and was read as what it says."""

    name: str
    sent: str
    """The type of the value that was sent: `a string`."""


class DecodedRequest(msgspec.Struct, frozen=True):
    """A request, with what of it is left out (unknown fields, headers) or was mended."""

    request: CompletionRequest
    unknown_fields: tuple[str, ...] = ()
    lone_surrogates: int = 0
    lax_fields: tuple[LaxField, ...] = ()
    lax_error: str | None = None
    """The error of a strict reading, if there are lax fields."""
    unsent_headers: tuple[str, ...] = ()
    """Names of the application's headers that a Messages request does not carry."""


_REQUEST: Final = msgspec.json.Decoder(CompletionRequest)
_FIELD_DECODERS: Final[Mapping[str, msgspec.json.Decoder[object]]] = {
    name: msgspec.json.Decoder(hint) for name, hint in get_type_hints(CompletionRequest).items()
}
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN: Final = frozenset(CompletionRequest.__struct_fields__)
_KNOWN_METADATA: Final = frozenset(CompletionMetadata.__struct_fields__)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
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
    body = body.removeprefix(_BYTE_ORDER_MARK)
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
    return msgspec.structs.replace(
        decoded, unknown_fields=tuple(names), lone_surrogates=lone_surrogates
    )


def _decode(body: bytes) -> DecodedRequest:
    try:
        return _validated(DecodedRequest(_REQUEST.decode(body)))
    except msgspec.ValidationError as exc:
        first_error = exc
    # Unknown and ill-typed fields are rare: they are looked for only after decoding has failed.
    try:
        fields, unknown = _known_fields(body)
        lax = _mend(fields)
        request = _REQUEST.decode(msgspec.json.encode(fields))
    except msgspec.ValidationError as exc:
        raise _field_error(exc) from first_error
    error = str(_field_error(first_error)) if lax else None
    return _validated(DecodedRequest(request, unknown, lax_fields=lax, lax_error=error))


def _known_fields(body: bytes) -> tuple[dict[str, msgspec.Raw], tuple[str, ...]]:
    """Return the fields that the API has, as they were sent, and the names of the others."""
    fields = _OBJECT.decode(body)
    unknown = [name for name in fields if name not in _KNOWN]
    metadata = bytes(fields.get("metadata", b""))
    if metadata.startswith(b"{"):
        inner = _OBJECT.decode(metadata)
        unknown += [f"metadata.{name}" for name in inner if name not in _KNOWN_METADATA]
        kept = {name: value for name, value in inner.items() if name in _KNOWN_METADATA}
        fields["metadata"] = msgspec.Raw(msgspec.json.encode(kept))
    known = {name: value for name, value in fields.items() if name in _KNOWN}
    return known, tuple(unknown[:_MAX_NAMES])


_Mend: TypeAlias = Callable[[object], object]
"""Returns the value that an ill-typed one stands for, or the same value."""


def _to_text(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) else value


def _to_integer(value: object) -> object:
    if isinstance(value, (bool, float)):
        return int(value)  # cuts a fraction off
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _to_number(value: object) -> object:
    if isinstance(value, bool):
        return float(value)
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _to_boolean(value: object) -> object:
    if isinstance(value, (int, float)) and value in {0, 1}:
        return bool(value)
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


def _to_texts(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_to_text(item) for item in items if item is not None]
    return value


def _to_object_of_texts(value: object) -> object:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value)
        return {name: _to_text(item) for name, item in items.items()}
    return value


# What the validator of the legacy server (pydantic 1, by its messages) took besides the types of
# the documentation; a single stop sequence and nulls among them are our own indulgence.
_DIGITS: Final = r"\d(?:_?\d){0,17}"
_INTEGER: Final = re.compile(rf"\s*[+-]?{_DIGITS}\s*", re.ASCII)
_NUMBER: Final = re.compile(
    rf"\s*[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?\d{{1,2}})?\s*", re.ASCII
)
_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}
_MENDS: Final[Mapping[str, _Mend]] = {
    "model": _to_text,
    "prompt": _to_text,
    "max_tokens_to_sample": _to_integer,
    "stop_sequences": _to_texts,
    "temperature": _to_number,
    "top_p": _to_number,
    "top_k": _to_integer,
    "metadata": _to_object_of_texts,
    "tags": _to_object_of_texts,
    "stream": _to_boolean,
    "disable_checks": _to_boolean,
}
_SENT_TYPES: Final[Mapping[type, str]] = {
    str: "a string",
    int: "a number",
    float: "a decimal number",
    bool: "a boolean",
    list: "a list with other values",
    dict: "an object with other values",
}


def _mend(fields: dict[str, msgspec.Raw]) -> tuple[LaxField, ...]:
    """Replace ill-typed values by what they stand for, and return what was replaced."""
    lax: list[LaxField] = []
    for name, mend in _MENDS.items():
        if name not in fields:
            continue
        try:
            _FIELD_DECODERS[name].decode(fields[name])
        except msgspec.ValidationError:
            try:
                sent = msgspec.json.decode(fields[name])
            except msgspec.DecodeError:  # a number out of range
                continue
            if (meant := mend(sent)) is not sent:
                fields[name] = msgspec.Raw(msgspec.json.encode(meant))
                lax.append(LaxField(name, _SENT_TYPES[type(sent)]))
    return tuple(lax)


_MAX_INTEGER: Final = 2**63 - 1
"""Limit on top_k: JSON encoders and decoders may not support a larger integer."""


def _validated(decoded: DecodedRequest) -> DecodedRequest:
    request = decoded.request
    if not request.model:
        raise InvalidCompletionRequest("model: ensure this value has at least 1 characters")
    if request.max_tokens_to_sample < 1:
        # More than the range has is capped (legacy-wire 1.3).
        raise InvalidCompletionRequest("max_tokens_to_sample: range: 1..1,000,000")
    if request.top_k is not None:
        if request.top_k < -1:
            raise InvalidCompletionRequest(
                "top_k: ensure this value is greater than or equal to -1"
            )
        if request.top_k > _MAX_INTEGER:
            raise InvalidCompletionRequest(
                f"top_k: ensure this value is less than or equal to {_MAX_INTEGER}"
            )
    _check_share("temperature", request.temperature)
    _check_share("top_p", None if request.top_p == -1 else request.top_p)
    return decoded


def _check_lengths(request: CompletionRequest) -> None:
    stops = request.stop_sequences or ()
    user_id = request.metadata.user_id if request.metadata else None
    if max(map(len, (request.model, user_id or "", *stops))) <= _MAX_WORD_LENGTH:
        return
    words = [("model", request.model), ("metadata.user_id", user_id or "")]
    words += [(f"stop_sequences.{number}", stop) for number, stop in enumerate(stops)]
    name = next(name for name, word in words if len(word) > _MAX_WORD_LENGTH)
    raise InvalidCompletionRequest(
        f"{name}: ensure this value has at most {_MAX_WORD_LENGTH} characters"
    )


def _check_share(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InvalidCompletionRequest(f"{name}: range: 0..1")  # as recorded: messages-wire 1.7


_MISSING: Final = re.compile(r"missing required field `(?P<field>\w+)`")
_EXPECTED: Final = re.compile(r"Expected `(?P<type>\w+)[^`]*`, got `(?P<sent>\w+)`")
_PATH: Final = re.compile(r"at `\$\.(?P<path>[^`]+)`")
_WANTED: Final[Mapping[str, str]] = {
    "str": "str type expected",
    "int": "value is not a valid integer",
    "float": "value is not a valid float",
    "bool": "value could not be parsed to a boolean",
    "array": "value is not a valid list",
    "object": "value is not a valid dict",
}


def _field_error(error: msgspec.ValidationError) -> InvalidCompletionRequest:
    """Translate msgspec's message into the wording of the API's validator."""
    text = str(error)
    path = _PATH.search(text)
    field = path["path"].replace("[...]", "").replace("[", ".").replace("]", "") if path else ""
    if missing := _MISSING.search(text):
        return InvalidCompletionRequest(f"{missing['field']}: field required")
    wanted = text.partition(" - at ")[0]
    if expected := _EXPECTED.search(text):
        wanted = _WANTED[expected["type"]]
        if field and expected["sent"] == "null":
            wanted = "none is not an allowed value"
    return InvalidCompletionRequest(f"{field}: {wanted}" if field else wanted)
