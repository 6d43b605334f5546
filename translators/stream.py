"""
Translate a Messages stream into a Completions stream.

    WAITING --message_start--> STREAMING --message_stop, stop sequence--> DONE
       |                           |
       +-------- error, garbage, end of input ---------------> FAILED

After a stop reason the end of input is as good as `message_stop`.

`feed` never raises: a failure is returned as the last chunk, after the text
that preceded it. There is no I/O here: the caller owns the socket and stops
reading once the state is DONE.
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
from translators.stop_reasons import found_sequence, refusal_of, translate_stop_reason
from translators.wire.completions import CompletionChunk, FailureChunk, PingChunk, TextChunk
from translators.wire.error_bodies import ApiError
from translators.wire.messages import (
    AnsweredMessage,
    ContentBlockDelta,
    ContentBlockStart,
    ErrorEvent,
    IgnoredEvent,
    MessageDelta,
    MessageEnd,
    MessagesEvent,
    MessageStart,
    MessageStop,
    Ping,
    Usage,
    decode_event,
    decode_event_in_steps,
)
from translators.wire.sse import MAX_LINE_BYTES, SSEDecoder

_BYTES_PER_STEP: Final = 16 * 1024
"""Smaller than STEP_SIZE, because each byte may be a line of its own, which is slow."""


class StreamState(enum.Enum):
    """The states of the table in the module's docstring."""

    WAITING = enum.auto()
    STREAMING = enum.auto()
    DONE = enum.auto()
    FAILED = enum.auto()


class StreamTranslator:
    """Translates a stream whose bytes arrive in chunks of any size."""

    def __init__(self, plan: Plan) -> None:
        self.state = StreamState.WAITING
        self.message = AnsweredMessage(id="")
        """The message without content, known once STREAMING."""
        self.end = MessageEnd()
        """Upstream's stop reason, known before DONE unless a stop sequence ended the text here."""
        self.usage = Usage()
        """The latest token counts; upstream's counts are cumulative."""
        self.has_ended = False
        """True once DONE or FAILED: further input has no effect."""
        self._decoder = SSEDecoder()
        self._text = CompletionText(plan)
        self._refusal_is_error = plan.refusal_is_error

    @property
    def completion_id(self) -> str:
        """The completion id that every frame carries."""
        return completion_id(self.message.id)

    def feed(self, data: bytes) -> list[CompletionChunk]:
        """Decode more bytes of the stream; return the chunks to send to the client."""
        return completed(self.feed_in_steps(data))

    def feed_in_steps(self, data: bytes) -> Steps[list[CompletionChunk]]:
        """Decode more bytes of the stream in steps, like `feed`."""
        chunks: list[CompletionChunk] = []
        for start in range(0, len(data), _BYTES_PER_STEP):
            if start:
                yield
            if self.has_ended:  # ignore the rest: the result must not depend on chunking
                break
            part = data[start : start + _BYTES_PER_STEP]
            try:
                yield from self._process(self._decoder.feed(part), chunks)
            except TranslationError as exc:
                error = ApiError(exc.error_type, str(exc))
                chunks += yield from self._fail(error, exc.status_hint)
        return chunks

    def close(self, problem: FailureChunk | None = None) -> list[CompletionChunk]:
        """End the stream: no more bytes will come, because of `problem` if one is given."""
        return completed(self.close_in_steps(problem))

    def close_in_steps(self, problem: FailureChunk | None = None) -> Steps[list[CompletionChunk]]:
        """End the stream in steps, like `close`."""
        if self.has_ended:
            return []
        if self.end.stop_reason is not None:
            # Nothing but `message_stop` was to come: old clients, which repeat what fails, are
            # better served with the whole answer that they have than with an error after it.
            try:
                return (yield from self._end())
            except TranslationError as exc:
                return (yield from self._fail(ApiError(exc.error_type, str(exc)), exc.status_hint))
        problem = problem or FailureChunk("api_error", "The upstream ended the stream too soon.")
        status = problem.status or UpstreamProtocolError.status_hint
        return (yield from self._fail(ApiError(problem.type, problem.message), status))

    def _process(self, events: Iterable[bytes], chunks: list[CompletionChunk]) -> Steps[None]:
        for data in events:
            if len(data) > _BYTES_PER_STEP:
                chunks += yield from self._step((yield from decode_event_in_steps(data)))
            else:
                event = decode_event(data)
                # Nearly all events take this branch, so it comes first and calls no generator.
                if type(event) is ContentBlockDelta and self._text.has_begun:
                    chunks += self._release(self._text.feed(event.delta.visible_text))
                else:
                    chunks += yield from self._step(event)
            if self.has_ended:
                return
        if self._decoder.is_too_long:
            raise UpstreamProtocolError(
                f"event stream: a line is longer than {MAX_LINE_BYTES} bytes"
            )

    def _step(self, event: MessagesEvent) -> Steps[Sequence[CompletionChunk]]:
        match self.state, event:
            case _, IgnoredEvent():
                return ()
            case _, Ping():
                return (PingChunk(),)
            case _, ErrorEvent(error=error):
                message = in_legacy_terms(error.message, error.type)
                return (yield from self._fail(ApiError(error.type, message)))
            case StreamState.WAITING, MessageStart(message=message):
                self.state, self.message = StreamState.STREAMING, message
                return self._update_usage(message.usage)
            case StreamState.STREAMING, _:
                return (yield from self._step_streaming(event))
            case _:
                raise UpstreamProtocolError(f"{type(event).__name__} while {self.state.name}")

    def _step_streaming(self, event: MessagesEvent) -> Steps[Sequence[CompletionChunk]]:
        match event:
            case ContentBlockDelta(delta=block) | ContentBlockStart(content_block=block):
                return self._release((yield from self._text.feed_in_steps(block.visible_text)))
            case MessageDelta(delta=end, usage=usage):
                if end.stop_reason is not None:
                    self.end = end
                return self._update_usage(usage)
            case MessageStop():
                if self.end.stop_reason is None:
                    raise UpstreamProtocolError("message: stop_reason is missing")
                return (yield from self._end())
            case _:
                raise UpstreamProtocolError(f"{type(event).__name__} while {self.state.name}")

    def _end(self) -> Steps[list[CompletionChunk]]:
        if self._refusal_is_error and (refusal := refusal_of(self.end)):
            raise refusal
        return self._finish((yield from self._text.flush_in_steps(found_sequence(self.end))))

    def _release(self, text: str) -> Sequence[CompletionChunk]:
        if self._text.matched is not None:
            return self._finish(text)
        return (TextChunk(text),) if text else ()

    def _finish(self, text: str) -> list[CompletionChunk]:
        self.state, self.has_ended = StreamState.DONE, True
        last = translate_stop_reason(
            self.end.stop_reason, self.end.stop_sequence, self._text.matched
        )
        return [TextChunk(text), last] if text else [last]

    def _fail(self, error: ApiError, status: int | None = None) -> Steps[list[CompletionChunk]]:
        self.state, self.has_ended = StreamState.FAILED, True
        held = yield from self._text.flush_in_steps()
        kind = error.type or UpstreamProtocolError.error_type
        failure = FailureChunk(kind, error.message, status)
        return [TextChunk(held), failure] if held else [failure]

    def _update_usage(self, usage: Usage | None) -> Sequence[CompletionChunk]:
        if usage is not None:
            self.usage = Usage(
                usage.input_tokens or self.usage.input_tokens,
                usage.output_tokens or self.usage.output_tokens,
            )
        return ()
