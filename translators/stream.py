"""
A Messages stream in, a Completions stream out.

    WAITING --message_start--> STREAMING --message_stop, emulated stop--> DONE
       |                           |
       +-------- error, garbage, end of input ---------------> FAILED

All that can happen to the state happens in `_step`. Feeding never raises: a
failure comes out as the last chunk, in order, after the text that preceded it.
No I/O: the caller owns the socket and stops reading once we are DONE.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from translators.api_errors import in_legacy_terms
from translators.completion_text import CompletionText
from translators.exceptions import TranslationError, UpstreamProtocolError
from translators.plan import Plan
from translators.response import completion_id
from translators.stop_reasons import refusal_of, translate_stop_reason
from translators.wire.completions import CompletionChunk, FailureChunk, PingChunk, TextChunk
from translators.wire.messages import (
    AnsweredMessage,
    ApiError,
    ContentBlock,
    ContentBlockDelta,
    ContentBlockStart,
    ErrorEvent,
    MessageDelta,
    MessageEnd,
    MessagesEvent,
    MessageStart,
    MessageStop,
    Ping,
    Uninteresting,
    Usage,
    decode_event,
)
from translators.wire.sse import MAX_LINE_BYTES, SSEDecoder


class StreamState(enum.Enum):
    """Where a stream is."""

    WAITING = enum.auto()
    STREAMING = enum.auto()
    DONE = enum.auto()
    FAILED = enum.auto()


class StreamTranslator:
    """Translate one stream, however its bytes arrive."""

    def __init__(self, plan: Plan) -> None:
        self.state = StreamState.WAITING
        self.message = AnsweredMessage(id="")
        """Head of the message: known once STREAMING."""
        self.end = MessageEnd()
        """Why it ended, in upstream's words: known before DONE, unless cut by an emulated stop."""
        self.usage = Usage()
        """The counts seen so far; in a stream they are cumulative."""
        self.has_ended = False
        """Whether nothing more will come out, whatever is fed: DONE or FAILED."""
        self._decoder = SSEDecoder()
        self._text = CompletionText(plan)
        self._refusal_is_error = plan.refusal_is_error

    @property
    def completion_id(self) -> str:
        """The id of every frame."""
        return completion_id(self.message.id)

    def feed(self, data: bytes) -> list[CompletionChunk]:
        """Take bytes as they came off the network; return what to send on."""
        chunks: list[CompletionChunk] = []
        if self.has_ended:
            return chunks  # what follows must not matter, or the result would depend on chunking
        try:
            for event in map(decode_event, self._decoder.feed(data)):
                if type(event) is ContentBlockDelta and self.state is StreamState.STREAMING:
                    chunks += self._say(event.delta)  # nearly all of them: asked first
                else:
                    chunks += self._step(event)
                if self.has_ended:
                    return chunks
        except TranslationError as exc:
            return chunks + self._fail(ApiError(exc.error_type, str(exc)), exc.status_hint)
        if self._decoder.is_astray:
            message = f"event stream: a line is longer than {MAX_LINE_BYTES} bytes"
            chunks += self._fail(ApiError(message=message), UpstreamProtocolError.status_hint)
        return chunks

    def close(self, problem: FailureChunk | None = None) -> list[CompletionChunk]:
        """Say that the network is done, and what went wrong with it if anything did."""
        if self.has_ended:
            return []
        problem = problem or FailureChunk("api_error", "The upstream ended the stream too soon.")
        status = problem.status or UpstreamProtocolError.status_hint
        return self._fail(ApiError(problem.type, problem.message), status)

    def _step(self, event: MessagesEvent) -> Iterable[CompletionChunk]:
        match self.state, event:
            case _, Uninteresting():
                return ()
            case _, Ping():
                return (PingChunk(),)
            case _, ErrorEvent(error=error):
                message = in_legacy_terms(error.message, error.type)
                return self._fail(ApiError(error.type, message))
            case StreamState.WAITING, MessageStart(message=message):
                self.state, self.message = StreamState.STREAMING, message
                return self._count(message.usage)
            case StreamState.STREAMING, _:
                return self._step_towards_the_end(event)
            case _:
                raise UpstreamProtocolError(f"{type(event).__name__} while {self.state.name}")

    def _step_towards_the_end(self, event: MessagesEvent) -> Iterable[CompletionChunk]:
        match event:
            case ContentBlockStart(content_block=block):
                return self._say(block)
            case MessageDelta(delta=end, usage=usage):
                if end.stop_reason is not None:
                    self.end = end
                return self._count(usage)
            case MessageStop():
                if self.end.stop_reason is None:
                    raise UpstreamProtocolError("message: stop_reason is missing")
                if self._refusal_is_error and (refusal := refusal_of(self.end)):
                    raise refusal
                return self._finish(self._text.flush())
            case _:
                raise UpstreamProtocolError(f"{type(event).__name__} while {self.state.name}")

    def _say(self, block: ContentBlock) -> Iterable[CompletionChunk]:
        said = self._text.feed(block.said)
        if self._text.matched is not None:
            return self._finish(said)
        return (TextChunk(said),) if said else ()

    def _finish(self, said: str) -> list[CompletionChunk]:
        self.state, self.has_ended = StreamState.DONE, True
        last = translate_stop_reason(
            self.end.stop_reason, self.end.stop_sequence, self._text.matched
        )
        return [TextChunk(said), last] if said else [last]

    def _fail(self, error: ApiError, status: int | None = None) -> list[CompletionChunk]:
        held = self._text.flush()
        self.state, self.has_ended = StreamState.FAILED, True
        kind = error.type or UpstreamProtocolError.error_type
        failure = FailureChunk(kind, error.message, status)
        return [TextChunk(held), failure] if held else [failure]

    def _count(self, usage: Usage | None) -> Iterable[CompletionChunk]:
        if usage is not None:
            self.usage = Usage(
                usage.input_tokens or self.usage.input_tokens,
                usage.output_tokens or self.usage.output_tokens,
            )
        return ()
