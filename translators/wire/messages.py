"""
Encode Messages requests, and decode messages and stream events.

Only what a completion needs is decoded; unknown fields, block types, delta
types and event types are ignored, as the versioning policy of the API demands
(messages-wire 3). Facts: messages-wire 1.2, 2, 3.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from translators.errors import UpstreamProtocolError
from translators.steps import STEP_SIZE, Steps, completed
from translators.wire.error_bodies import ApiError, error_of_event
from translators.wire.long_json import UNREADABLE, read_json, read_short_json, write_text

Role: TypeAlias = Literal["user", "assistant"]


class Message(msgspec.Struct, frozen=True, gc=False):
    """A turn of the conversation in a request."""

    role: Role
    content: str


class Metadata(msgspec.Struct, frozen=True):
    """The caller's own id for its user."""

    user_id: str


class ThinkingConfig(msgspec.Struct, frozen=True):
    """Turns thinking off: `disabled`, or `between_tools` for some models (messages-wire 1.8)."""

    type: Literal["disabled", "between_tools"]


class OutputConfig(msgspec.Struct, frozen=True):
    """The effort that the model should make."""

    effort: Literal["low"]


class MessagesRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Body of `POST /v1/messages`; a field left at its default is not sent."""

    model: str
    max_tokens: int
    messages: tuple[Message, ...]
    system: str | None = None
    stop_sequences: tuple[str, ...] = ()
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: Metadata | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None


_MAX_TOKENS: Final = 2**53
"""Limit up to which all JSON decoders agree on an integer (RFC 8259, section 6)."""


class Usage(msgspec.Struct, frozen=True):
    """Token counts; events of a stream may have either count, and counts are cumulative."""

    input_tokens: int | float | None = None
    output_tokens: int | float | None = None


_NULL: Final = msgspec.Raw(b"null")


class _UsageFields(msgspec.Struct, frozen=True):
    input_tokens: msgspec.Raw = _NULL
    output_tokens: msgspec.Raw = _NULL


_USAGE: Final = msgspec.json.Decoder(_UsageFields)
_COUNT: Final[msgspec.json.Decoder[int | float | None]] = msgspec.json.Decoder(int | float | None)


def _read_usage(value: msgspec.Raw) -> Usage | None:
    """
    Read token counts from whatever JSON stands where they belong.

    They are evidence only: one that nobody can have meant is dropped, and costs no answer. The
    journal and the store could not hold it.
    """
    try:
        fields = _USAGE.decode(value)
    except UNREADABLE:
        return None
    return Usage(_read_count(fields.input_tokens), _read_count(fields.output_tokens))


def _read_count(value: msgspec.Raw) -> int | float | None:
    try:
        count = _COUNT.decode(value)
    except UNREADABLE:  # a text, a list, a number beyond all others
        return None
    return count if count is not None and 0 <= count <= _MAX_TOKENS else None


class ContentBlock(msgspec.Struct, frozen=True):
    """A content block or a delta of any type; only text blocks are validated."""

    type: str = ""
    text: object = None

    @property
    def visible_text(self) -> str:
        """The text of a text block, else ""; raises `UpstreamProtocolError` for other values."""
        if self.type not in _TEXT_TYPES or self.text is None:
            return ""
        if not isinstance(self.text, str):
            raise UpstreamProtocolError("text: expected a string")
        return self.text


_MAX_NAME_LENGTH: Final = 256
"""Limit on an id, a model and a type, far above upstream's; each frame repeats the first two."""
_MAX_STOP_LENGTH: Final = 4096
"""Limit on a stop sequence: that of requests."""
_MAX_EXPLANATION_LENGTH: Final = 16 * 1024


def _check_lengths(limit: int, **fields: str | None) -> None:
    for name, value in fields.items():
        if value is not None and len(value) > limit:
            raise UpstreamProtocolError(f"{name}: expected at most {limit} characters")


class StopDetails(msgspec.Struct, frozen=True):
    """The explanation of a refusal, cut at a length that no explanation needs."""

    explanation: str | None = None

    def __post_init__(self) -> None:
        """Cut an explanation that is too long."""
        if self.explanation and len(self.explanation) > _MAX_EXPLANATION_LENGTH:
            cut = f"{self.explanation[:_MAX_EXPLANATION_LENGTH]}..."
            msgspec.structs.force_setattr(self, "explanation", cut)


class AnsweredMessage(msgspec.Struct, frozen=True):
    """A whole answer, or the start of a stream (without content and `stop_reason`)."""

    id: str
    model: str | None = None
    content: tuple[ContentBlock, ...] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | str | None = None
    usage_json: msgspec.Raw = msgspec.field(default=_NULL, name="usage")

    @property
    def usage(self) -> Usage | None:
        """The token counts, or None if there are none."""
        return _read_usage(self.usage_json)

    def __post_init__(self) -> None:
        """Raise `UpstreamProtocolError` if a field is longer than its limit."""
        _check_lengths(_MAX_NAME_LENGTH, id=self.id, model=self.model, stop_reason=self.stop_reason)
        _check_lengths(_MAX_STOP_LENGTH, stop_sequence=self.stop_sequence)


class MessageEnd(msgspec.Struct, frozen=True):
    """The reason for which a message ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | str | None = None

    def __post_init__(self) -> None:
        """Raise `UpstreamProtocolError` if a field is longer than its limit."""
        _check_lengths(_MAX_NAME_LENGTH, stop_reason=self.stop_reason)
        _check_lengths(_MAX_STOP_LENGTH, stop_sequence=self.stop_sequence)


class MessageStart(msgspec.Struct, frozen=True, tag="message_start"):
    """The first event of every stream that is not an error."""

    message: AnsweredMessage


class ContentBlockStart(msgspec.Struct, frozen=True, tag="content_block_start"):
    """The start of a block; `text` is empty on the real API, but not on all gateways."""

    content_block: ContentBlock


class ContentBlockDelta(msgspec.Struct, frozen=True, tag="content_block_delta"):
    """Content to add to a block."""

    delta: ContentBlock


class MessageDelta(msgspec.Struct, frozen=True, tag="message_delta"):
    """The reason for the end, and the final usage."""

    delta: MessageEnd
    usage_json: msgspec.Raw = msgspec.field(default=_NULL, name="usage")

    @property
    def usage(self) -> Usage | None:
        """The token counts so far, or None if there are none."""
        return _read_usage(self.usage_json)


class MessageStop(msgspec.Struct, frozen=True, tag="message_stop"):
    """The end of the message; some gateways send junk after it."""


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """A sign that the upstream is alive."""


class ErrorEvent(msgspec.Struct, frozen=True):
    """An error after the response had begun with status 200."""

    error: ApiError


class IgnoredEvent(msgspec.Struct, frozen=True, tag="content_block_stop"):
    """An event that does not affect the completion: the end of a block, or an unknown type."""


_TaggedEvent: TypeAlias = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | MessageDelta
    | MessageStop
    | Ping
    | IgnoredEvent
)
MessagesEvent: TypeAlias = _TaggedEvent | ErrorEvent


class _EventType(msgspec.Struct):
    type: str = ""


_TEXT_TYPES: Final = frozenset({"text", "text_delta"})
_DONE: Final = b"[DONE]"
"""Data of the last event that some gateways send."""


_EVENT: Final[msgspec.json.Decoder[_TaggedEvent]] = msgspec.json.Decoder(_TaggedEvent)
_MESSAGE: Final = msgspec.json.Decoder(AnsweredMessage)
_EVENT_TYPE: Final = msgspec.json.Decoder(_EventType)
_KNOWN_EVENTS: Final = frozenset(
    {
        *("message_start", "message_delta", "message_stop", "error"),
        *("content_block_start", "content_block_delta"),
    }
)
_MAX_NON_TEXT_BYTES: Final = 256 * 1024
"""Limit on an answer or event without its texts; much of it may not concern the completion."""

_JSON: Final = msgspec.json.Encoder()
_MAX_SUMMED_MESSAGES: Final = 64
"""Limit on the messages whose lengths are summed up; more are always encoded in steps."""
_MESSAGE_OVERHEAD: Final = len(b'{"role":"assistant","content":""},')

encode_request: Final = _JSON.encode
"""Encode a `MessagesRequest` as the body to send."""


def encode_in_steps(request: MessagesRequest) -> Steps[list[bytes]]:
    """Encode a request in steps, like `encode_request`; return pieces to be joined."""
    is_long = (
        len(request.messages) > _MAX_SUMMED_MESSAGES
        or len(request.system or "") > STEP_SIZE
        or sum([len(message.content) for message in request.messages]) > STEP_SIZE
    )
    if not is_long:
        return [encode_request(request)]
    shell = msgspec.structs.replace(request, messages=(), system=request.system and "")
    # Quotes inside texts are escaped, so that neither separator occurs in a text.
    head, name, rest = encode_request(shell).partition(b'"messages":[')
    pieces = [head + name]
    yield from _encode_messages(request.messages, pieces)
    if request.system is not None:
        before, name, rest = rest.partition(b'"system":"')
        pieces.append(before + name)
        yield from write_text(request.system, pieces)
    pieces.append(rest)
    return pieces


def _encode_messages(messages: tuple[Message, ...], pieces: list[bytes]) -> Steps[None]:
    separator = b""
    short: list[Message] = []
    size = 0
    for message in messages:
        is_long = len(message.content) > STEP_SIZE
        if short and (is_long or size > STEP_SIZE):
            pieces.append(separator + _JSON.encode(short)[1:-1])
            separator, short, size = b",", [], 0
            yield
        if is_long:
            head, quote, end = _JSON.encode(Message(message.role, "")).rpartition(b'"')
            pieces.append(separator + head)
            yield from write_text(message.content, pieces)
            pieces.append(quote + end)
            separator = b","
        else:
            short.append(message)
            size += len(message.content) + _MESSAGE_OVERHEAD
    if short:
        pieces.append(separator + _JSON.encode(short)[1:-1])


def decode_event(data: bytes) -> MessagesEvent:
    """Decode an event; raise `UpstreamProtocolError` unless it is valid or of an unknown type."""
    try:
        return _EVENT.decode(data)  # the usual case
    except UNREADABLE:
        return completed(decode_event_in_steps(data))


def decode_event_in_steps(data: bytes) -> Steps[MessagesEvent]:
    """Decode an event in steps, like `decode_event`."""
    if data == _DONE:
        return IgnoredEvent()
    try:
        event, _ = yield from read_json(data, _decode_event, max_rest_bytes=_MAX_NON_TEXT_BYTES)
    except UNREADABLE as exc:
        raise UpstreamProtocolError(f"event stream: {exc}") from exc
    return event


def _decode_event(data: bytes) -> MessagesEvent:
    try:
        return _EVENT.decode(data)
    except msgspec.ValidationError:
        if (error := error_of_event(data)) is not None:
            return ErrorEvent(error)
        if _EVENT_TYPE.decode(data).type in _KNOWN_EVENTS:
            raise
    return IgnoredEvent()


def decode_message(body: bytes) -> AnsweredMessage:
    """Decode a whole answer; raise `UpstreamProtocolError` if it is not valid."""
    return completed(decode_message_in_steps(body))


def decode_message_in_steps(body: bytes) -> Steps[AnsweredMessage]:
    """Decode a whole answer in steps, like `decode_message`."""
    try:
        if len(body) <= STEP_SIZE:
            return read_short_json(body, _MESSAGE.decode)[0]
        message, _ = yield from read_json(body, _MESSAGE.decode, max_rest_bytes=_MAX_NON_TEXT_BYTES)
    except UNREADABLE as exc:
        raise UpstreamProtocolError(f"message: {exc}") from exc
    return message
