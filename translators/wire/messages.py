"""
The Messages wire: the request we send, the message or the events that come back.

Only what a completion needs is decoded; unknown fields, block types, delta
types and event types are passed over, as the versioning policy of the API
asks for (messages-wire 3). Facts: messages-wire 1.2, 2, 3.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from translators.errors import UpstreamProtocolError
from translators.steps import AT_ONCE, Steps, completed
from translators.wire.long_json import UNREADABLE, read_json, read_short_json, write_text

Role: TypeAlias = Literal["user", "assistant"]


class Message(msgspec.Struct, frozen=True, gc=False):
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


_MAX_TOKENS: Final = 2**53
"""Up to there a number is the same for everybody who reads JSON (RFC 8259, section 6)."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens; in a stream each event may carry some of the counts, cumulative."""

    input_tokens: int | float | None = None
    output_tokens: int | float | None = None

    def __post_init__(self) -> None:
        """Pass over a count that nobody can have meant: no column and no journal would hold it."""
        for name in self.__struct_fields__:
            if abs(getattr(self, name) or 0) > _MAX_TOKENS:
                msgspec.structs.force_setattr(self, name, None)


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


_MAX_NAME_LENGTH: Final = 256
"""Characters of an id, a model or a kind: far more than upstream gives them. Each frame repeats the
first two."""
_MAX_STOP_LENGTH: Final = 4096
"""As long as a client may ask for one."""
_MAX_EXPLANATION_LENGTH: Final = 16 * 1024


def _check_words(longest: int, **words: str | None) -> None:
    """Raise `UpstreamProtocolError` where one of these is longer than anything upstream says."""
    for name, word in words.items():
        if word is not None and len(word) > longest:
            raise UpstreamProtocolError(f"{name}: expected at most {longest} characters")


class ApiError(msgspec.Struct, frozen=True):
    """An error of either wire; its message is cut where nobody would read on."""

    type: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        """Cut what is longer than any error."""
        if len(self.type) > _MAX_NAME_LENGTH:
            msgspec.structs.force_setattr(self, "type", "")
        if len(self.message) > _MAX_EXPLANATION_LENGTH:
            cut = f"{self.message[:_MAX_EXPLANATION_LENGTH]}..."
            msgspec.structs.force_setattr(self, "message", cut)


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """An error body; the edge leaves out the outer `type` and `request_id` (messages-wire 4)."""

    error: ApiError
    request_id: str | None = None


class StopDetails(msgspec.Struct, frozen=True):
    """The explanation of a refusal, cut where nobody would read on."""

    explanation: str | None = None

    def __post_init__(self) -> None:
        """Cut what is longer than any explanation."""
        if self.explanation and len(self.explanation) > _MAX_EXPLANATION_LENGTH:
            cut = f"{self.explanation[:_MAX_EXPLANATION_LENGTH]}..."
            msgspec.structs.force_setattr(self, "explanation", cut)


class AnsweredMessage(msgspec.Struct, frozen=True):
    """A whole answer, or the head of a stream (`content` empty, no `stop_reason`)."""

    id: str
    model: str | None = None
    content: tuple[ContentBlock, ...] | None = ()
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | str | None = None
    usage: Usage | None = None

    def __post_init__(self) -> None:
        """Raise `UpstreamProtocolError` where a word is none."""
        _check_words(_MAX_NAME_LENGTH, id=self.id, model=self.model, stop_reason=self.stop_reason)
        _check_words(_MAX_STOP_LENGTH, stop_sequence=self.stop_sequence)


class MessageEnd(msgspec.Struct, frozen=True):
    """Why the message ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | str | None = None

    def __post_init__(self) -> None:
        """Raise `UpstreamProtocolError` where a word is none."""
        _check_words(_MAX_NAME_LENGTH, stop_reason=self.stop_reason)
        _check_words(_MAX_STOP_LENGTH, stop_sequence=self.stop_sequence)


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
_MAX_NON_TEXT_BYTES: Final = 256 * 1024
"""Of an answer or an event: there may be much in it that says nothing of the completion."""

_JSON: Final = msgspec.json.Encoder()
_FEW: Final = 64
"""Messages, of which it takes no time to say how long they are."""
_OF_A_MESSAGE: Final = len(b'{"role":"assistant","content":""},')

encode_request: Final = _JSON.encode
"""A `MessagesRequest` as the bytes to send."""


def encode_in_steps(request: MessagesRequest) -> Steps[list[bytes]]:
    """Pieces that make up what `encode_request` makes of a request in one."""
    if not _is_long(request):
        return [encode_request(request)]
    shell = msgspec.structs.replace(request, messages=(), system=request.system and "")
    # A quote within a text is escaped, so that neither is found in one.
    head, name, rest = encode_request(shell).partition(b'"messages":[')
    pieces = [head + name]
    yield from _encode_messages(request.messages, pieces)
    if request.system is not None:
        before, name, rest = rest.partition(b'"system":"')
        pieces.append(before + name)
        yield from write_text(request.system, pieces)
    pieces.append(rest)
    return pieces


def _is_long(request: MessagesRequest) -> bool:
    if len(request.messages) > _FEW or (request.system and len(request.system) > AT_ONCE):
        return True
    return sum([len(message.content) for message in request.messages]) > AT_ONCE


def _encode_messages(messages: tuple[Message, ...], pieces: list[bytes]) -> Steps[None]:
    separator = b""
    short: list[Message] = []
    size = 0
    for message in messages:
        is_long = len(message.content) > AT_ONCE
        if short and (is_long or size > AT_ONCE):
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
            size += len(message.content) + _OF_A_MESSAGE
    if short:
        pieces.append(separator + _JSON.encode(short)[1:-1])


def decode_event(data: bytes) -> MessagesEvent:
    """Decode the data of one event; an event of a type unknown to us is `Uninteresting`."""
    try:
        return _EVENT.decode(data)  # nearly always
    except UNREADABLE:
        return completed(decode_event_in_steps(data))


def decode_event_in_steps(data: bytes) -> Steps[MessagesEvent]:
    """Decode the data of one event, as `decode_event` does, in steps."""
    if data == _DONE:
        return Uninteresting()
    try:
        event, _ = yield from read_json(data, _decode_event, most=_MAX_NON_TEXT_BYTES)
    except UNREADABLE as exc:
        raise UpstreamProtocolError(f"event stream: {exc}") from exc
    return event


def _decode_event(data: bytes) -> MessagesEvent:
    try:
        return _EVENT.decode(data)
    except msgspec.ValidationError:
        if _NAMED.decode(data).type in _KNOWN_EVENTS:
            raise
    return Uninteresting()


def decode_message(body: bytes) -> AnsweredMessage:
    """Decode a whole answer."""
    return completed(decode_message_in_steps(body))


def decode_message_in_steps(body: bytes) -> Steps[AnsweredMessage]:
    """Decode a whole answer, as `decode_message` does, in steps."""
    try:
        if len(body) <= AT_ONCE:
            return read_short_json(body, _MESSAGE.decode)[0]
        message, _ = yield from read_json(body, _MESSAGE.decode, most=_MAX_NON_TEXT_BYTES)
    except UNREADABLE as exc:
        raise UpstreamProtocolError(f"message: {exc}") from exc
    return message


def decode_error(body: bytes) -> ErrorEnvelope | None:
    """Decode an error body; None if it is not one (HTML of an edge, nothing at all)."""
    try:
        return _ERROR.decode(body)
    except UNREADABLE:
        return None
