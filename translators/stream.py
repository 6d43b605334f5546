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
from collections.abc import Iterable, Sequence
from typing import Final

from translators.api_errors import in_legacy_terms
from translators.completion_text import CompletionText
from translators.errors import TranslationError, UpstreamProtocolError
from translators.message import completion_id
from translators.plan import Plan
from translators.steps import Steps, completed
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
    decode_event_in_steps,
)
from translators.wire.sse import MAX_LINE_BYTES, SSEDecoder

_AT_ONCE: Final = 16 * 1024
"""Bytes in one step: each may be a line, and each line takes as long as many bytes."""


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
        return completed(self.feed_in_steps(data))

    def feed_in_steps(self, data: bytes) -> Steps[list[CompletionChunk]]:
        """Take bytes, as `feed` does, in steps."""
        chunks: list[CompletionChunk] = []
        for start in range(0, len(data), _AT_ONCE):
            if start:
                yield
            if self.has_ended:  # what follows must not matter: the result would depend on chunking
                break
            part = data[start : start + _AT_ONCE]
            try:
                yield from self._take(self._decoder.feed(part), chunks)
            except TranslationError as exc:
                error = ApiError(exc.error_type, str(exc))
                chunks += yield from self._fail(error, exc.status_hint)
        return chunks

    def close(self, problem: FailureChunk | None = None) -> list[CompletionChunk]:
        """Say that the network is done, and what went wrong with it if anything did."""
        return completed(self.close_in_steps(problem))

    def close_in_steps(self, problem: FailureChunk | None = None) -> Steps[list[CompletionChunk]]:
        """Say that the network is done, as `close` does, in steps."""
        if self.has_ended:
            return []
        problem = problem or FailureChunk("api_error", "The upstream ended the stream too soon.")
        status = problem.status or UpstreamProtocolError.status_hint
        return (yield from self._fail(ApiError(problem.type, problem.message), status))

    def _take(self, events: Iterable[bytes], chunks: list[CompletionChunk]) -> Steps[None]:
        for data in events:
            if len(data) > _AT_ONCE:
                chunks += yield from self._step((yield from decode_event_in_steps(data)))
            else:
                event = decode_event(data)
                if type(event) is ContentBlockDelta and self._text.has_begun:
                    chunks += self._say(event.delta)  # nearly all of them: asked first
                else:
                    chunks += yield from self._step(event)
            if self.has_ended:
                return
        if self._decoder.is_astray:
            raise UpstreamProtocolError(
                f"event stream: a line is longer than {MAX_LINE_BYTES} bytes"
            )

    def _step(self, event: MessagesEvent) -> Steps[Sequence[CompletionChunk]]:
        match self.state, event:
            case _, Uninteresting():
                return ()
            case _, Ping():
                return (PingChunk(),)
            case _, ErrorEvent(error=error):
                message = in_legacy_terms(error.message, error.type)
                return (yield from self._fail(ApiError(error.type, message)))
            case StreamState.WAITING, MessageStart(message=message):
                self.state, self.message = StreamState.STREAMING, message
                return self._count(message.usage)
            case StreamState.STREAMING, _:
                return (yield from self._step_towards_the_end(event))
            case _:
                raise UpstreamProtocolError(f"{type(event).__name__} while {self.state.name}")

    def _step_towards_the_end(self, event: MessagesEvent) -> Steps[Sequence[CompletionChunk]]:
        match event:
            case ContentBlockDelta(delta=block) | ContentBlockStart(content_block=block):
                return self._released((yield from self._text.feed_in_steps(block.said)))
            case MessageDelta(delta=end, usage=usage):
                if end.stop_reason is not None:
                    self.end = end
                return self._count(usage)
            case MessageStop():
                if self.end.stop_reason is None:
                    raise UpstreamProtocolError("message: stop_reason is missing")
                if self._refusal_is_error and (refusal := refusal_of(self.end)):
                    raise refusal
                return self._finish((yield from self._text.flush_in_steps()))
            case _:
                raise UpstreamProtocolError(f"{type(event).__name__} while {self.state.name}")

    def _say(self, block: ContentBlock) -> Sequence[CompletionChunk]:
        return self._released(self._text.feed(block.said))

    def _released(self, said: str) -> Sequence[CompletionChunk]:
        if self._text.matched is not None:
            return self._finish(said)
        return (TextChunk(said),) if said else ()

    def _finish(self, said: str) -> list[CompletionChunk]:
        self.state, self.has_ended = StreamState.DONE, True
        last = translate_stop_reason(
            self.end.stop_reason, self.end.stop_sequence, self._text.matched
        )
        return [TextChunk(said), last] if said else [last]

    def _fail(self, error: ApiError, status: int | None = None) -> Steps[list[CompletionChunk]]:
        self.state, self.has_ended = StreamState.FAILED, True
        held = yield from self._text.flush_in_steps()
        kind = error.type or UpstreamProtocolError.error_type
        failure = FailureChunk(kind, error.message, status)
        return [TextChunk(held), failure] if held else [failure]

    def _count(self, usage: Usage | None) -> Sequence[CompletionChunk]:
        if usage is not None:
            self.usage = Usage(
                usage.input_tokens or self.usage.input_tokens,
                usage.output_tokens or self.usage.output_tokens,
            )
        return ()
