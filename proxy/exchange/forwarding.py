"""A legacy upstream's answer on its way through, as it came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

from proxy.errors import Blame, Failure
from proxy.exchange.context import ExchangeContext
from proxy.exchange.response import ResponseSink
from proxy.headers import first
from proxy.upstream.client import UpstreamResponse
from proxy.upstream.dispatch import AttemptFailed, failure_of, status_may_fall_back
from translators import translate_error

_SUCCESS: Final = 200
_ERROR_EVENT: Final = b"event: error"
# What the last event of a stream says, in either dialect (legacy-wire 3).
_LAST_WORDS: Final = (b'"stop_reason":"', b'"stop_reason": "', b"[DONE]", _ERROR_EVENT)


async def forward_response(
    answer: UpstreamResponse, notes: ExchangeContext, reply: ResponseSink, *, may_fail: bool
) -> None:
    """Pass on what a legacy upstream says; an error too, if nobody else is asked."""
    notes.set_response(answer.headers)
    if may_fail and status_may_fall_back(answer.status):
        notes.failure = f"status {answer.status}"
        raise await failure_of(answer)
    pieces = answer.raw_pieces()
    # As long as somebody else can be asked, headers alone are no answer, nor is an error.
    start = await _start_of(pieces) if may_fail else b""
    if not answer.is_success:
        notes.note_forwarded_error(answer.status)
    concludes = _conclusion_of(answer)
    try:
        await reply.begin(answer.status, notes.begin_forwarded_reply(answer.status))
        if start:
            notes.hear(start)
            await reply.frame(start, concludes=concludes(start))
        async for piece in pieces:
            notes.hear(piece)
            await reply.frame(piece, concludes=concludes(piece))
    except Failure as exc:
        # Too late for an error of ours: ending without the last chunk says it all.
        notes.failure, notes.blame = str(exc), exc.blame
        await reply.end(abruptly=True)
        return
    await reply.end(abruptly=False)


async def _start_of(pieces: AsyncIterator[bytes]) -> bytes:
    """What an answer begins with; raises `AttemptFailed` if that is a stream's error."""
    start = await anext(pieces, b"")
    if start.startswith(_ERROR_EVENT):
        error = translate_error(_SUCCESS, start.partition(b"data:")[2])
        if status_may_fall_back(error.status):
            raise AttemptFailed(error, Blame.UPSTREAM, may_fall_back=True)
    return start


def _conclusion_of(answer: UpstreamResponse) -> Callable[[bytes], bool]:
    """
    Tells, piece by piece, whether a client may take the answer for complete after it.

    Of a compressed stream, and of one whose last words come in two pieces, only
    its end does.
    """
    if answer.is_event_stream:
        return lambda piece: any(words in piece for words in _LAST_WORDS)
    declared = first(answer.headers, b"content-length") or b""
    left = int(declared) if declared.isdigit() else 0

    def is_last(piece: bytes) -> bool:
        nonlocal left
        left -= len(piece)
        return left == 0

    return is_last
