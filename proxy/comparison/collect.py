"""Send a request over one route for comparison only, while no client waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from proxy.comparison.compare import ComparableAnswer, from_forwarded, from_translated
from proxy.cooperative import CooperativeRunner
from proxy.errors import UpstreamBrokeOff
from proxy.rollout import Route
from proxy.trace_context import RequestTrace
from proxy.upstream.attempt import Attempt, failed_response
from proxy.upstream.dispatch import Dispatcher
from proxy.upstream.legacy_request import LegacyRequest
from translators import (
    Completion,
    CompletionChunk,
    FailureChunk,
    Plan,
    StreamTranslator,
    UpstreamProtocolError,
    Usage,
    decode_message_in_steps,
    from_chunks,
    is_event_stream,
    translate_in_steps,
)

_MAX_BYTES: Final = 16 * 1024 * 1024
"""Limit on an answer in bytes, far above any legacy answer; longer ones waste time."""


async def collect_answer(
    dispatcher: Dispatcher,
    request: LegacyRequest,
    route: Route,
    trace: RequestTrace | None = None,
) -> ComparableAnswer:
    """Return the complete answer; raises `AttemptFailed`, `Failure` or `TranslationError`."""
    started = time.perf_counter()
    async with Attempt(dispatcher, request, trace) as attempt:
        if route.action == "forward":
            response, plan = await attempt.forward(readable=True), None
        else:
            response, plan = await attempt.translate(route.policy)
        if not response.is_success:
            raise await failed_response(response)
        if plan is None:
            body = await response.read(most=_MAX_BYTES)
            dialect = request.dialect if is_event_stream(body) else None
            seconds = time.perf_counter() - started
            return await asyncio.to_thread(from_forwarded, body, dialect, seconds)
        runner = dispatcher.runner
        if response.is_event_stream:
            completion, usage = await _read_stream(response.pieces(), plan, runner)
        elif is_event_stream(body := await response.read(most=_MAX_BYTES)):
            completion, usage = await _read_stream(_at_once(body), plan, runner)
        else:
            message = await runner.run(decode_message_in_steps(body))
            completion = await runner.run(translate_in_steps(message, plan))
            usage = message.usage or Usage()
        seconds = time.perf_counter() - started
        return from_translated(completion.text, completion.stop_reason, plan, usage, seconds)


async def _at_once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _read_stream(
    pieces: AsyncIterator[bytes], plan: Plan, runner: CooperativeRunner
) -> tuple[Completion, Usage]:
    translator = StreamTranslator(plan)
    chunks: list[CompletionChunk] = []
    size = 0
    async for piece in pieces:
        chunks += await runner.run(translator.feed_in_steps(piece))
        size += len(piece)
        if size > _MAX_BYTES:
            raise UpstreamBrokeOff("The upstream's response is too large.")
        if translator.has_ended:
            break
    chunks += await runner.run(translator.close_in_steps())
    if isinstance(last := chunks[-1], FailureChunk):
        raise UpstreamProtocolError(last.type)
    return from_chunks(chunks, plan, translator.message), translator.usage
