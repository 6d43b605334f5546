"""One request asked of one leg for its answer alone: no client is waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from proxy.comparison.compare import Answered, forwarded, translated
from proxy.cooperative import Turns
from proxy.errors import UpstreamBrokeOff
from proxy.rollout import Leg
from proxy.upstream.client import Answer, close_all
from proxy.upstream.dispatch import Asked, Upstreams, failure_of
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

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Far above what a legacy client can ask for; to read what an upstream floods takes time."""


async def answer_of(upstreams: Upstreams, asked: Asked, leg: Leg) -> Answered:
    """Ask; raises `LegFailed`, `Failure` or `TranslationError` where there is no whole answer."""
    started = time.perf_counter()
    answers: list[Answer] = []
    try:
        if leg.action == "forward":
            answer = await upstreams.forwarded(asked, answers, readable=True)
            await _check(answer)
            dialect = asked.dialect if answer.is_event_stream else None
            body = await answer.read(most=_MOST_BYTES)
            seconds = time.perf_counter() - started
            return await asyncio.to_thread(forwarded, body, dialect, seconds)
        answer, plan = await upstreams.translated(asked, leg.policy, answers, _ignore)
        await _check(answer)
        text, stop_reason, usage = await _read(answer, plan, upstreams.turns)
        return translated(text, stop_reason, plan, usage, time.perf_counter() - started)
    finally:
        await close_all(answers)


async def _check(answer: Answer) -> None:
    if not answer.is_success:
        raise await failure_of(answer)


async def _read(answer: Answer, plan: Plan, turns: Turns) -> tuple[str, str | None, Usage]:
    if answer.is_event_stream:
        return await _read_stream(answer, plan, turns)
    message = await turns.work_off(decode_message_in_steps(await answer.read(most=_MOST_BYTES)))
    completion = await turns.work_off(translate_in_steps(message, plan))
    return completion.text, completion.stop_reason, message.usage or Usage()


async def _read_stream(answer: Answer, plan: Plan, turns: Turns) -> tuple[str, str | None, Usage]:
    translator = StreamTranslator(plan)
    chunks: list[CompletionChunk] = []
    size = 0
    async for piece in answer.pieces():
        chunks += await turns.work_off(translator.feed_in_steps(piece))
        size += len(piece)
        if size > _MOST_BYTES:
            raise UpstreamBrokeOff("The upstream's answer goes on beyond all measure.")
        if translator.has_ended:
            break
    chunks += await turns.work_off(translator.close_in_steps())
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))
    last = chunks[-1]
    if isinstance(last, FailureChunk):
        raise UpstreamProtocolError(last.type)
    assert isinstance(last, LastChunk)
    return text, last.stop_reason, translator.usage


def _ignore(_: Plan) -> None:
    """The plan is in the answer."""
