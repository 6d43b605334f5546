"""A Messages stream relayed to a client, chunk by chunk as it is translated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import groupby
from typing import Final, NoReturn

from proxy.cooperative import CooperativeRunner
from proxy.errors import Blame, Failure
from proxy.exchange.context import ExchangeContext
from proxy.exchange.response import ResponseSink
from proxy.headers import Headers
from proxy.upstream.client import UpstreamResponse
from proxy.upstream.dispatch import AttemptFailed, status_may_fall_back
from translators import (
    AT_ONCE,
    PING_FRAME,
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
    """Takes one stream from upstream to the client; memory is that of the held-back text."""

    def __init__(  # noqa: PLR0913 - what it goes by, and whom it tells
        self,
        plan: Plan,
        notes: ExchangeContext,
        reply: ResponseSink,
        turns: CooperativeRunner,
        *,
        v1_pings: bool,
        may_fail: bool = False,
    ) -> None:
        self._plan = plan
        self._notes = notes
        self._reply = reply
        self._turns = turns
        self._translator = StreamTranslator(plan)
        self._encoder: FrameEncoder | None = None
        self._ping = _ping_of(plan, v1_pings=v1_pings)
        self._may_fail = may_fail
        """Somebody else can be asked, so upstream's ping before the first word must not count."""

    @property
    def _is_too_early(self) -> bool:
        return self._may_fail and not self._reply.has_started

    async def run(self, answer: UpstreamResponse) -> None:
        """Relay until the completion ends, whoever ends it; `AttemptFailed` if it is not whole."""
        self._reply.open_stream(self._begin, self._ping)
        try:
            problem = await self._relay(answer)
            closing = self._translator.close_in_steps(problem)
            await self._send_all(await self._turns.run(closing))
        except AttemptFailed:
            if not self._reply.has_started:
                self._reply.withdraw_stream()
            raise
        finally:
            self._take_notes()  # also of what breaks off

    async def run_whole(self, completion: Completion) -> None:
        """Stream an answer that upstream gave in one piece although a stream was asked for."""
        self._reply.open_stream(lambda: self._notes.begin_reply(200), self._ping)
        self._encoder = FrameEncoder(self._plan.dialect, id=completion.id, model=completion.model)
        await self._send_all(as_chunks(completion))

    async def _relay(self, answer: UpstreamResponse) -> FailureChunk | None:
        try:
            async for piece in answer.pieces():
                feeding = self._translator.feed_in_steps(piece)
                await self._send_all(await self._turns.run(feeding))
                if self._translator.has_ended:
                    return None
        except Failure as exc:
            return FailureChunk(exc.error_type, str(exc), exc.status)
        return None

    async def _send_all(self, chunks: Sequence[CompletionChunk]) -> None:
        try:
            await self._send_each(chunks)
        except UpstreamProtocolError as exc:
            self._fail(FailureChunk(exc.error_type, str(exc), exc.status_hint))

    async def _send_each(self, chunks: Sequence[CompletionChunk]) -> None:
        if len(chunks) <= _BACKLOG:
            for chunk in chunks:
                await self._send((chunk,))
            return
        async for run in self._turns.iterate(self._runs(chunks)):
            await self._send(run)

    def _runs(self, chunks: Sequence[CompletionChunk]) -> Iterator[Sequence[CompletionChunk]]:
        """What of a backlog leaves in one write each."""
        # In the old dialect a backlog's frames together would be the square of the text.
        repeats = self._plan.dialect.is_cumulative
        for kind, alike in groupby(chunks, type):
            run = tuple(alike)
            if kind is TextChunk and (repeats or any(map(_is_long, run))):
                yield from zip(run, strict=True)
            elif kind is TextChunk:
                at_once = self._frames().at_once
                yield from (run[start : start + at_once] for start in range(0, len(run), at_once))
            else:
                yield run

    async def _send(self, run: Sequence[CompletionChunk]) -> None:
        match run[0]:
            case TextChunk():
                await self._say([chunk.text for chunk in run if isinstance(chunk, TextChunk)])
            case PingChunk():  # one of many at once says as much
                if self._plan.dialect.relays_pings and not self._is_too_early:
                    await self._reply.frame(PING_FRAME)
            case LastChunk() as last:
                self._notes.stop_reason = last.stop_reason
                if self._translator.has_ended:  # else it came in one piece, and is noted
                    self._take_notes()  # the record is written before the last chunk leaves
                await self._reply.conclude(self._frames().encode(last))
            case failure:
                self._fail(failure)

    async def _say(self, texts: Sequence[str]) -> None:
        if self._encoder is None:
            self._notes.mark_first_token()
        if self._notes.heard is not None:
            self._notes.hear("".join(texts).encode())
        if len(texts[0]) <= AT_ONCE:
            await self._reply.frame(self._frames().encode_texts(texts))
            return
        async for frame in self._turns.iterate(self._frames().encode_long_text(texts[0])):
            if frame:
                await self._reply.frame(frame)

    def _fail(self, failure: FailureChunk) -> NoReturn:
        if failure.status is not None:  # then it is we who noticed
            self._notes.failure = failure.message
        status = failure.status or error_status(failure.type)
        error = TranslatedError(status, failure.type, failure.message, None)
        # A 400 in a stream is a model's refusal to answer: that is an answer.
        worth_another = status != HTTPStatus.BAD_REQUEST and status_may_fall_back(status)
        raise AttemptFailed(error, Blame.UPSTREAM, may_fall_back=worth_another)

    def _frames(self) -> FrameEncoder:
        if self._encoder is None:
            message = self._translator.message
            self._encoder = FrameEncoder(
                self._plan.dialect,
                id=self._translator.completion_id,
                model=self._plan.echoed_model or message.model or self._plan.sent_model,
            )
        return self._encoder

    def _begin(self) -> Headers:
        self._notes.answered_model = self._translator.message.model or None
        return self._notes.begin_reply(200)

    def _take_notes(self) -> None:
        self._notes.answered_model = self._translator.message.model or None
        self._notes.upstream_stop_reason = self._translator.end.stop_reason
        self._notes.usage = self._translator.usage


def _is_long(chunk: CompletionChunk) -> bool:
    return isinstance(chunk, TextChunk) and len(chunk.text) > AT_ONCE


def _ping_of(plan: Plan, *, v1_pings: bool) -> Callable[[], bytes] | None:
    if plan.dialect.relays_pings:
        return lambda: PING_FRAME
    if v1_pings:
        return lambda: v1_ping_frame(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}")
    return None
