"""Encoding of an `Answer` as a message or as stream events (messages-wire 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from proxy.simulator.answers import Answer, Block, TextBlock, ThinkingBlock, Usage
from proxy.simulator.frames import Frame, json_frame

# The only event that the real API neither compacts nor pads (messages-wire 3.1).
PING: Final = Frame("ping", b'{"type": "ping"}')
_UNKNOWN: Final = Frame("weather_report", b'{"type":"weather_report","sky":"clear"}')


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStyle:
    """Events of a stream that are not part of the answer."""

    pings: int
    unknown_events: bool = False


def encode_message(answer: Answer) -> bytes:
    content = [_whole_block(block) for block in answer.blocks]
    return msgspec.json.encode(_message(answer, content, is_started=False))


def encode_events(answer: Answer, style: StreamStyle) -> tuple[Frame, ...]:
    """
    Return the events of a stream: message_start, blocks, message_delta, message_stop.

    As recorded, pings follow the first content_block_start, and an empty answer has
    none (messages-wire 3, 3.3).
    """
    message = _message(answer, [], is_started=True)
    frames: list[Frame] = [_event("message_start", message=message)]
    if style.unknown_events:
        frames.append(_UNKNOWN)
    for index, block in enumerate(answer.blocks):
        opening, *others = _block_events(index, block)
        frames.append(opening)
        frames.extend([PING] * style.pings if index == 0 else [])
        frames.extend(others)
        frames.extend([_UNKNOWN] if style.unknown_events else [])
    delta = {
        "stop_reason": answer.ending.reason,
        "stop_sequence": answer.ending.sequence,
        "stop_details": answer.ending.details,
    }
    # The totals in the recorded form of a message_delta (messages-wire 3.2).
    totals: dict[str, object] = {
        "input_tokens": answer.usage.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": answer.usage.output_tokens,
    }
    totals |= _thinking_details(answer.usage)
    frames.append(_event("message_delta", delta=delta, usage=totals))
    frames.append(_event("message_stop"))
    return tuple(frames)


def _block_events(index: int, block: Block) -> Iterator[Frame]:
    match block:
        case TextBlock():
            yield _block_start(index, {"type": "text", "text": ""})
            for number, delta in enumerate(block.deltas):
                yield _delta(index, number, {"type": "text_delta", "text": delta}, is_text=True)
        case ThinkingBlock():
            yield _block_start(index, {"type": "thinking", "thinking": "", "signature": ""})
            if block.thinking:
                yield _delta(index, 0, {"type": "thinking_delta", "thinking": block.thinking})
            yield _delta(index, 1, {"type": "signature_delta", "signature": block.signature})
        case _:
            yield _block_start(index, block.content)
    yield _event("content_block_stop", index=index)


def _block_start(index: int, block: dict[str, object]) -> Frame:
    return _event("content_block_start", index=index, content_block=block)


def _delta(index: int, number: int, delta: dict[str, object], *, is_text: bool = False) -> Frame:
    content = {"type": "content_block_delta", "index": index, "delta": delta}
    return json_frame("content_block_delta", content, pad=7 * index + number, is_text=is_text)


def _event(name: str, **content: object) -> Frame:
    return json_frame(name, {"type": name, **content}, pad=len(name))


def _whole_block(block: Block) -> dict[str, object]:
    match block:
        case TextBlock():
            return {"type": "text", "text": block.text}
        case ThinkingBlock():
            thinking = block.thinking
            return {"type": "thinking", "thinking": thinking, "signature": block.signature}
        case _:
            return block.content


def _message(
    answer: Answer, content: list[dict[str, object]], *, is_started: bool
) -> dict[str, object]:
    """Return the message in the recorded key order; at its start it has no stop reason yet."""
    ending, usage = answer.ending, answer.usage
    counted: dict[str, object] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": min(1, usage.output_tokens) if is_started else usage.output_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
        "inference_geo": usage.inference_geo,
    }
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": None if is_started else ending.reason,
        "stop_sequence": None if is_started else ending.sequence,
        "stop_details": None if is_started else ending.details,
        "usage": counted if is_started else counted | _thinking_details(usage),
    }


def _thinking_details(usage: Usage) -> dict[str, object]:
    if usage.thinking_tokens is None:
        return {}
    return {"output_tokens_details": {"thinking_tokens": usage.thinking_tokens}}
