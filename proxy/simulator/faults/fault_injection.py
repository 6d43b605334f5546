"""Changes to a correct reply: the errors and malformed streams that a request asks for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from proxy.simulator.api_errors import ERROR_MESSAGES, ApiError
from proxy.simulator.faults.fault_headers import SimulateOptions
from proxy.simulator.frames import Comment, Frame, json_frame
from proxy.simulator.replies import Reply, StreamedReply, WholeReply, error_reply

_TEXT_START: Final = re.compile(rb'"(?:text|completion)":"')
_INVALID_UTF8: Final = b"\xff\xfe"
_KEEP_ALIVE_COMMENT: Final = Comment(b"keep-alive")
# An Anthropic-compatible gateway was recorded to append this (messages-wire 3.7).
_TRAILING_JUNK: Final = Frame("data", b"[DONE]")
_NO_OPTIONS: Final = SimulateOptions()


def _simulated_error(options: SimulateOptions) -> ApiError:
    status = 529 if options.error is None else options.error
    message = options.error_message
    return ApiError(
        status,
        ERROR_MESSAGES.get(status, "Internal server error") if message is None else message,
        error_type=options.error_type,
        error_code=options.error_code,
    )


def apply_faults(reply: Reply, options: SimulateOptions, *, request_id: str) -> Reply:
    """Return the reply with the requested faults, or an error response in its place."""
    if options == _NO_OPTIONS:
        return reply
    if options.is_error and (isinstance(reply, WholeReply) or not options.is_error_in_stream):
        error = _simulated_error(options)
        reply = error_reply(error, request_id, shape=options.error_shape)
    if isinstance(reply, WholeReply):
        return replace(reply, status=options.status or reply.status)
    frames = reply.frames
    if options.invalid_utf8:
        frames = _insert_invalid_utf8(frames)
    if options.is_error_in_stream:
        content = _simulated_error(options).describe_in_stream(request_id)
        last = json_frame("error", content, pad=0)
        frames = (*_frames_before_error(frames, options), last)
    if options.end_after_events is not None:
        frames = frames[: options.end_after_events]
    if options.break_after_events is not None:
        frames = frames[: options.break_after_events]
    if options.trailing_junk:
        frames = (*frames, _TRAILING_JUNK)
    if options.comments:
        frames = tuple(part for frame in frames for part in (_KEEP_ALIVE_COMMENT, frame))
    return StreamedReply(
        frames=frames,
        newline=options.newline or reply.newline,
        breaks_off=options.break_after_events is not None,
    )


def _frames_before_error(
    frames: tuple[Frame | Comment, ...], options: SimulateOptions
) -> tuple[Frame | Comment, ...]:
    if options.error_after_events is not None:
        return frames[: options.error_after_events]
    kept: list[Frame | Comment] = []
    texts = 0
    for frame in frames:
        if frame.is_text and texts == options.error_after_deltas:
            break
        texts += frame.is_text
        kept.append(frame)
    return tuple(kept)


def _insert_invalid_utf8(frames: tuple[Frame | Comment, ...]) -> tuple[Frame | Comment, ...]:
    first = next((index for index, frame in enumerate(frames) if frame.is_text), None)
    if first is None:
        return frames
    frame = frames[first]
    assert isinstance(frame, Frame)
    spoilt = replace(frame, data=_TEXT_START.sub(rb"\g<0>" + _INVALID_UTF8, frame.data, count=1))
    return (*frames[:first], spoilt, *frames[first + 1 :])
