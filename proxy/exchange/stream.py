"""A Messages stream relayed to a client, chunk by chunk as it is translated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import groupby
from typing import Final, NoReturn

from proxy.cooperative import CooperativeRunner
from proxy.errors import Failure
from proxy.exchange.context import ExchangeContext
from proxy.exchange.response import ResponseSink
from proxy.outcome import Outcome
from proxy.upstream.attempt import AttemptFailed
from proxy.upstream.client import UpstreamResponse
from proxy.upstream.fallback import status_may_fall_back
from translators import (
    PING_FRAME,
    STEP_SIZE,
    Completion,
    CompletionChunk,
    FailureChunk,
    FrameEncoder,
    LastChunk,
    PingChunk,
    Plan,
    StreamTranslator,
    TextChunk,
    TranslatedError,
    UpstreamProtocolError,
    as_chunks,
    error_status,
    v1_ping_frame,
)

_BACKLOG: Final = 16
"""
A frame is a write of its own, because some clients take each network chunk for one event (clients,
rule 6). More than this in one read is a backlog; a write for each of 200 frames was about half of
what such an answer cost. The number is ours.
"""


class StreamRelay:
    """Relays one stream from the upstream to the client; it keeps no more than held-back text."""

    def __init__(
        self,
        plan: Plan,
        sink: ResponseSink,
        runner: CooperativeRunner,
        *,
        v1_pings: bool,
        may_fall_back: bool = False,
    ) -> None:
        self._plan = plan
        self._context = sink.context
        self._sink = sink
        self._runner = runner
        self._translator = StreamTranslator(plan)
        self._encoder: FrameEncoder | None = None
        self._ping: Callable[[], bytes] | None = None
        if plan.dialect.relays_pings:
            self._ping = lambda: PING_FRAME
        elif v1_pings:
            self._ping = lambda: v1_ping_frame(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}")
        self._may_fall_back = may_fall_back
        """True if another route may still be asked: an upstream's ping is no answer then."""

    async def run(self, response: UpstreamResponse) -> None:
        """Relay until the completion ends; raises `AttemptFailed` if it is not whole."""
        self._sink.open_stream(self._ping)
        problem: FailureChunk | None = None
        try:
            try:
                async for piece in response.pieces():
                    chunks = await self._runner.run(self._translator.feed_in_steps(piece))
                    # The headers of the response, which may begin with these chunks, name the
                    # model.
                    self._context.answered_model = self._translator.message.model or None
                    await self._send_all(chunks)
                    if self._translator.has_ended:
                        if self._translator.end.stop_reason is not None:
                            response.finish()
                        break
            except Failure as exc:
                problem = FailureChunk(exc.error_type, str(exc), exc.status)
            closing = self._translator.close_in_steps(problem)
            await self._send_all(await self._runner.run(closing))
        except AttemptFailed:
            if not self._sink.has_started:
                self._sink.withdraw_stream()
            raise
        finally:
            self._note_progress()  # also of a stream that breaks off

    async def run_whole(self, completion: Completion) -> None:
        """Stream a completion that came in one piece although a stream was asked for."""
        self._sink.open_stream(self._ping)
        self._encoder = FrameEncoder(self._plan.dialect, id=completion.id, model=completion.model)
        await self._send_all(as_chunks(completion))

    async def _send_all(self, chunks: Sequence[CompletionChunk]) -> None:
        try:
            if len(chunks) <= _BACKLOG:
                for chunk in chunks:
                    await self._send((chunk,))
            else:
                async for run in self._runner.iterate(self._runs(chunks)):
                    await self._send(run)
        except UpstreamProtocolError as exc:
            self._fail(FailureChunk(exc.error_type, str(exc), exc.status_hint))

    def _runs(self, chunks: Sequence[CompletionChunk]) -> Iterator[Sequence[CompletionChunk]]:
        """Divide a backlog into the chunks that leave in one write each."""
        # In the old dialect each frame repeats the text so far: together they would be its square.
        repeats = self._plan.dialect.is_cumulative
        for kind, alike in groupby(chunks, type):
            run = tuple(alike)
            if kind is TextChunk and (
                repeats
                or any(isinstance(each, TextChunk) and len(each.text) > STEP_SIZE for each in run)
            ):
                yield from zip(run, strict=True)
            elif kind is TextChunk:
                at_once = self._frames().texts_per_step
                yield from (run[start : start + at_once] for start in range(0, len(run), at_once))
            else:
                yield run

    async def _send(self, run: Sequence[CompletionChunk]) -> None:
        match run[0]:
            case TextChunk():
                await self._send_texts(
                    [chunk.text for chunk in run if isinstance(chunk, TextChunk)]
                )
            case PingChunk():  # one of many at once says as much
                is_too_early = self._may_fall_back and not self._sink.has_started
                if self._plan.dialect.relays_pings and not is_too_early:
                    await self._sink.frame(PING_FRAME)
            case LastChunk() as last:
                self._context.stop_reason = last.stop_reason
                if self._translator.has_ended:  # else it came in one piece, and is noted
                    self._note_progress()  # the record is written before the last chunk leaves
                await self._sink.conclude(self._frames().encode(last))
            case failure:
                self._fail(failure)

    async def _send_texts(self, texts: Sequence[str]) -> None:
        if self._encoder is None:
            self._context.mark_first_token()
        if self._context.answer_copy is not None:
            self._context.keep_answer("".join(texts).encode())
        if len(texts[0]) <= STEP_SIZE:
            await self._sink.frame(self._frames().encode_texts(texts))
            return
        async for frame in self._runner.iterate(self._frames().encode_long_text(texts[0])):
            if frame:
                await self._sink.frame(frame)

    def _fail(self, failure: FailureChunk) -> NoReturn:
        raise failed_stream(failure, self._context)

    def _frames(self) -> FrameEncoder:
        if self._encoder is None:
            message = self._translator.message
            self._encoder = FrameEncoder(
                self._plan.dialect,
                id=self._translator.completion_id,
                model=self._plan.echoed_model or message.model or self._plan.sent_model,
            )
        return self._encoder

    def _note_progress(self) -> None:
        self._context.answered_model = self._translator.message.model or None
        self._context.upstream_stop_reason = self._translator.end.stop_reason
        self._context.usage = self._translator.usage


def failed_stream(failure: FailureChunk, context: ExchangeContext) -> AttemptFailed:
    """Return the error that a stream of the upstream's ended with, and note it."""
    if failure.status is not None:  # then it is we who noticed
        context.failure = failure.message
    status = failure.status or error_status(failure.type)
    error = TranslatedError(status, failure.type, failure.message, None)
    # A 400 in a stream is a model's refusal to answer: that is an answer.
    may_fall_back = status != HTTPStatus.BAD_REQUEST and status_may_fall_back(status)
    return AttemptFailed(error, Outcome.UPSTREAM_ERROR, may_fall_back=may_fall_back)
