"""
The Messages wire: the request we send, the message or the events that come back.

Only what a completion needs is decoded; unknown fields, block types, delta
types and event types are passed over, as the versioning policy of the API
asks for (messages-wire 3). Facts: messages-wire 1.2, 2, 3.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from translators.exceptions import UpstreamProtocolError
from translators.wire.surrogates import replace_lone_surrogates

Role: TypeAlias = Literal["user", "assistant"]


class Message(msgspec.Struct, frozen=True):
    """One turn of the conversation, as sent."""

    role: Role
    content: str


class Metadata(msgspec.Struct, frozen=True):
    """Who is behind the request, in the caller's own terms."""

    user_id: str


class ThinkingConfig(msgspec.Struct, frozen=True):
    """`disabled`, or `between_tools` for the model that knows no other off (messages-wire 1.8)."""

    type: Literal["disabled", "between_tools"]


class OutputConfig(msgspec.Struct, frozen=True):
    """How hard the model should try."""

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


class Usage(msgspec.Struct, frozen=True):
    """Tokens; in a stream each event may carry some of the counts, cumulative."""

    input_tokens: int | float | None = None
    output_tokens: int | float | None = None


class ContentBlock(msgspec.Struct, frozen=True):
    """A block, or a delta of one, of any type; only those of text have to make sense."""

    type: str = ""
    text: object = None

    @property
    def said(self) -> str:
        """The text of a block of text; raises `UpstreamProtocolError` if that is none."""
        if self.type not in _TEXT or self.text is None:
            return ""
        if not isinstance(self.text, str):
            raise UpstreamProtocolError("text: expected a string")
        return self.text


class ApiError(msgspec.Struct, frozen=True):
    """What an error says, on either wire."""

    type: str = ""
    message: str = ""


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """An error body; the edge leaves out the outer `type` and `request_id` (messages-wire 4)."""

    error: ApiError
    request_id: str | None = None


class StopDetails(msgspec.Struct, frozen=True):
    """What a refusal says of itself."""

    explanation: str | None = None


class AnsweredMessage(msgspec.Struct, frozen=True):
    """A whole answer, or the head of a stream (`content` empty, no `stop_reason`)."""

    id: str
    model: str | None = None
    content: tuple[ContentBlock, ...] | None = ()
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | str | None = None
    usage: Usage | None = None


class MessageEnd(msgspec.Struct, frozen=True):
    """Why the message ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | str | None = None


class MessageStart(msgspec.Struct, frozen=True, tag="message_start"):
    """The first event of every stream that is not an error."""

    message: AnsweredMessage


class ContentBlockStart(msgspec.Struct, frozen=True, tag="content_block_start"):
    """A block begins; its `text` is empty on the real API but need not be elsewhere."""

    content_block: ContentBlock


class ContentBlockDelta(msgspec.Struct, frozen=True, tag="content_block_delta"):
    """More of a block."""

    delta: ContentBlock


class MessageDelta(msgspec.Struct, frozen=True, tag="message_delta"):
    """The end is known; usage is cumulative."""

    delta: MessageEnd
    usage: Usage | None = None


class MessageStop(msgspec.Struct, frozen=True, tag="message_stop"):
    """The message is whole. Gateways have been seen to send junk after it."""


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """A sign of life."""


class ErrorEvent(msgspec.Struct, frozen=True, tag="error"):
    """The upstream gave up after it had answered 200."""

    error: ApiError


class Uninteresting(msgspec.Struct, frozen=True, tag="content_block_stop"):
    """An event that says nothing about the completion: the end of a block, or one unknown to us."""


MessagesEvent: TypeAlias = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | MessageDelta
    | MessageStop
    | Ping
    | ErrorEvent
    | Uninteresting
)


class _Named(msgspec.Struct):
    type: str = ""


_TEXT: Final = frozenset({"text", "text_delta"})
_DONE: Final = b"[DONE]"
"""What some gateways end a stream with; it says nothing of the message."""


_EVENT: Final[msgspec.json.Decoder[MessagesEvent]] = msgspec.json.Decoder(MessagesEvent)
_MESSAGE: Final = msgspec.json.Decoder(AnsweredMessage)
_ERROR: Final = msgspec.json.Decoder(ErrorEnvelope)
_NAMED: Final = msgspec.json.Decoder(_Named)
_KNOWN_EVENTS: Final = frozenset(
    {
        *("message_start", "message_delta", "message_stop", "error"),
        *("content_block_start", "content_block_delta"),
    }
)
# The last for nesting that no Messages API ever sends.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
encode_request: Final = msgspec.json.Encoder().encode
"""A `MessagesRequest` as the bytes to send."""


def decode_event(data: bytes) -> MessagesEvent:
    """Decode the data of one event; an event of a type unknown to us is `Uninteresting`."""
    try:
        return _EVENT.decode(data)
    except _UNREADABLE as exc:
        return _decode_unusual_event(data, exc)


def _decode_unusual_event(data: bytes, first: Exception) -> MessagesEvent:
    if data == _DONE:
        return Uninteresting()
    mended, _ = replace_lone_surrogates(data)
    try:
        if _NAMED.decode(mended).type not in _KNOWN_EVENTS:
            return Uninteresting()
        return _EVENT.decode(mended)
    except _UNREADABLE as exc:
        raise UpstreamProtocolError(f"event stream: {exc}") from first


def decode_message(body: bytes) -> AnsweredMessage:
    """Decode a whole answer."""
    try:
        return _MESSAGE.decode(body)
    except _UNREADABLE:
        mended, _ = replace_lone_surrogates(body)
    try:
        return _MESSAGE.decode(mended)
    except _UNREADABLE as exc:
        raise UpstreamProtocolError(f"message: {exc}") from exc


def decode_error(body: bytes) -> ErrorEnvelope | None:
    """Decode an error body; None if it is not one (HTML of an edge, nothing at all)."""
    try:
        return _ERROR.decode(body)
    except _UNREADABLE:
        return None
