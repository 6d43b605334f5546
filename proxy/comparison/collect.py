"""One request asked of one leg for its answer alone: no client is waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from proxy.comparison.compare import ComparableAnswer, from_forwarded, from_translated
from proxy.cooperative import CooperativeRunner
from proxy.errors import UpstreamBrokeOff
from proxy.rollout import Route
from proxy.upstream.client import UpstreamResponse, close_all
from proxy.upstream.dispatch import Dispatcher, LegacyRequest, failure_of
from translators import (
    CompletionChunk,
    FailureChunk,
    LastChunk,
    Plan,
    StreamTranslator,
    TextChunk,
    UpstreamProtocolError,
    Usage,
    decode_message_in_steps,
    translate_in_steps,
)

_MAX_BYTES: Final = 16 * 1024 * 1024
"""Far above what a legacy client can ask for; to read what an upstream floods takes time."""


async def collect_answer(
    dispatcher: Dispatcher, asked: LegacyRequest, leg: Route
) -> ComparableAnswer:
    """Ask for a whole answer; raises `AttemptFailed`, `Failure` or `TranslationError`."""
    started = time.perf_counter()
    answers: list[UpstreamResponse] = []
    try:
        if leg.action == "forward":
            answer = await dispatcher.send_forwarded(asked, answers, readable=True)
            await _check(answer)
            dialect = asked.dialect if answer.is_event_stream else None
            body = await answer.read(most=_MAX_BYTES)
            seconds = time.perf_counter() - started
            return await asyncio.to_thread(from_forwarded, body, dialect, seconds)
        answer, plan = await dispatcher.send_translated(asked, leg.policy, answers, _ignore)
        await _check(answer)
        text, stop_reason, usage = await _read(answer, plan, dispatcher.turns)
        return from_translated(text, stop_reason, plan, usage, time.perf_counter() - started)
    finally:
        await close_all(answers)


async def _check(answer: UpstreamResponse) -> None:
    if not answer.is_success:
        raise await failure_of(answer)


async def _read(
    answer: UpstreamResponse, plan: Plan, turns: CooperativeRunner
) -> tuple[str, str | None, Usage]:
    if answer.is_event_stream:
        return await _read_stream(answer, plan, turns)
    message = await turns.run(decode_message_in_steps(await answer.read(most=_MAX_BYTES)))
    completion = await turns.run(translate_in_steps(message, plan))
    return completion.text, completion.stop_reason, message.usage or Usage()


async def _read_stream(
    answer: UpstreamResponse, plan: Plan, turns: CooperativeRunner
) -> tuple[str, str | None, Usage]:
    translator = StreamTranslator(plan)
    chunks: list[CompletionChunk] = []
    size = 0
    async for piece in answer.pieces():
        chunks += await turns.run(translator.feed_in_steps(piece))
        size += len(piece)
        if size > _MAX_BYTES:
            raise UpstreamBrokeOff("The upstream's answer goes on beyond all measure.")
        if translator.has_ended:
            break
    chunks += await turns.run(translator.close_in_steps())
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))
    last = chunks[-1]
    if isinstance(last, FailureChunk):
        raise UpstreamProtocolError(last.type)
    assert isinstance(last, LastChunk)
    return text, last.stop_reason, translator.usage


def _ignore(_: Plan) -> None:
    """The plan is in the answer."""
