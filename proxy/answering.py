"""One request asked of one leg for its answer alone: no client is waiting."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

from proxy.comparison import Answered, forwarded, translated
from proxy.failures import UpstreamBrokeOff
from proxy.legs import Asked, Upstreams, failure_of
from proxy.rollout import Leg
from proxy.upstream import MOST_ANSWER_BYTES, Answer
from translators import (
    CompletionChunk,
    FailureChunk,
    LastChunk,
    Plan,
    StreamTranslator,
    TextChunk,
    UpstreamProtocolError,
    Usage,
    decode_message,
    translate_message,
)


async def answer_of(
    upstreams: Upstreams, asked: Asked, leg: Leg, legacy_url: str | None
) -> Answered:
    """Ask; raises `LegFailed`, `Failure` or `TranslationError` where there is no whole answer."""
    started = time.perf_counter()
    async with AsyncExitStack() as answers:
        if leg.action == "forward":
            assert legacy_url is not None
            answer = await upstreams.forwarded(asked, legacy_url, answers, readable=True)
            await _check(answer)
            dialect = asked.dialect if answer.is_event_stream else None
            return forwarded(await answer.read(), dialect, time.perf_counter() - started)
        answer, plan = await upstreams.translated(asked, leg.policy, answers, _ignore)
        await _check(answer)
        text, stop_reason, usage = await _read(answer, plan)
        return translated(text, stop_reason, plan, usage, time.perf_counter() - started)


async def _check(answer: Answer) -> None:
    if not answer.is_success:
        raise await failure_of(answer)


async def _read(answer: Answer, plan: Plan) -> tuple[str, str | None, Usage]:
    if answer.is_event_stream:
        return await _read_stream(answer, plan)
    message = decode_message(await answer.read())
    completion = translate_message(message, plan)
    return completion.text, completion.stop_reason, message.usage or Usage()


async def _read_stream(answer: Answer, plan: Plan) -> tuple[str, str | None, Usage]:
    translator = StreamTranslator(plan)
    chunks: list[CompletionChunk] = []
    size = 0
    async for piece in answer.pieces():
        chunks += translator.feed(piece)
        size += len(piece)
        if size > MOST_ANSWER_BYTES:
            raise UpstreamBrokeOff("The upstream's answer goes on beyond all measure.")
        if translator.has_ended:
            break
    chunks += translator.close()
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))
    match chunks[-1]:
        case LastChunk(stop_reason=stop_reason):
            return text, stop_reason, translator.usage
        case FailureChunk(type=kind):
            raise UpstreamProtocolError(kind)
        case other:
            raise AssertionError(other)


def _ignore(_: Plan) -> None:
    """The plan is in the answer."""
