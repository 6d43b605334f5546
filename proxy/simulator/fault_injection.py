"""Changes to a correct reply: the errors and malformed streams that a request asks for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from proxy.simulator.api_errors import RECORDED_MESSAGES, Refusal
from proxy.simulator.fault_headers import Misbehaviour
from proxy.simulator.frames import Comment, Frame, json_frame
from proxy.simulator.replies import Reply, Streamed, Whole, reply_refusal

_TEXT_BEGINS: Final = re.compile(rb'"(?:text|completion)":"')
_NOT_UTF8: Final = b"\xff\xfe"
_KEEP_ALIVE: Final = Comment(b"keep-alive")
# An Anthropic-compatible gateway was recorded to append this (messages-wire 3.7).
_JUNK: Final = Frame("data", b"[DONE]")
_ORDINARY: Final = Misbehaviour()


def _simulated_refusal(asked: Misbehaviour) -> Refusal:
    status = 529 if asked.error is None else asked.error
    message = asked.error_message
    return Refusal(
        status,
        RECORDED_MESSAGES.get(status, "Internal server error") if message is None else message,
        error_type=asked.error_type,
        error_code=asked.error_code,
    )


def apply_faults(reply: Reply, asked: Misbehaviour, *, request_id: str) -> Reply:
    if asked == _ORDINARY:
        return reply
    if asked.is_error and (isinstance(reply, Whole) or not asked.is_error_in_stream):
        refusal = _simulated_refusal(asked)
        reply = reply_refusal(refusal, request_id, shape=asked.error_shape)
    if isinstance(reply, Whole):
        return replace(reply, status=asked.status or reply.status)
    return _apply_to_stream(reply, asked, request_id)


def _apply_to_stream(reply: Streamed, asked: Misbehaviour, request_id: str) -> Streamed:
    frames = reply.frames
    if asked.invalid_utf8:
        frames = _spoil_first_text(frames)
    if asked.is_error_in_stream:
        error = json_frame("error", _simulated_refusal(asked).describe_in_stream(request_id), pad=0)
        frames = (*_before_error(frames, asked), error)
    if asked.end_after_events is not None:
        frames = frames[: asked.end_after_events]
    if asked.break_after_events is not None:
        frames = frames[: asked.break_after_events]
    if asked.trailing_junk:
        frames = (*frames, _JUNK)
    if asked.comments:
        frames = tuple(part for frame in frames for part in (_KEEP_ALIVE, frame))
    return Streamed(
        frames=frames,
        newline=asked.newline or reply.newline,
        breaks_off=asked.break_after_events is not None,
    )


def _before_error(
    frames: tuple[Frame | Comment, ...], asked: Misbehaviour
) -> tuple[Frame | Comment, ...]:
    if asked.error_after_events is not None:
        return frames[: asked.error_after_events]
    kept: list[Frame | Comment] = []
    texts = 0
    for frame in frames:
        if frame.is_text and texts == asked.error_after_deltas:
            break
        texts += frame.is_text
        kept.append(frame)
    return tuple(kept)


def _spoil_first_text(frames: tuple[Frame | Comment, ...]) -> tuple[Frame | Comment, ...]:
    first = next((index for index, frame in enumerate(frames) if frame.is_text), None)
    if first is None:
        return frames
    frame = frames[first]
    assert isinstance(frame, Frame)
    spoilt = replace(frame, data=_TEXT_BEGINS.sub(rb"\g<0>" + _NOT_UTF8, frame.data, count=1))
    return (*frames[:first], spoilt, *frames[first + 1 :])
