"""A legacy upstream's response on its way to the client, unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from proxy.errors import Failure
from proxy.exchange.response import ResponseSink
from proxy.exchange.response_headers import forwarded_headers
from proxy.headers import declared_length
from proxy.outcome import Outcome, outcome_of_failure, outcome_of_status
from proxy.upstream.attempt import AttemptFailed, error_of_failure, failed_response
from proxy.upstream.client import UpstreamResponse
from proxy.upstream.fallback import status_may_fall_back
from translators import TranslatedError, error_type, translate_error

_OK: Final = 200
_ERROR_EVENT: Final = b"event: error"
_LAST_WORDS: Final = (b'"stop_reason":"', b'"stop_reason": "', b"[DONE]", _ERROR_EVENT)
"""Text of the last event of a stream, in either dialect (legacy-wire 3)."""


async def forward_response(
    response: UpstreamResponse, sink: ResponseSink, *, may_fall_back: bool
) -> None:
    """
    Pass a response on to the client, an error as well as an answer.

    With `may_fall_back` an error that another route may avoid is raised as
    `AttemptFailed` instead.
    """
    context = sink.context
    context.set_response(response.headers)
    if may_fall_back and status_may_fall_back(response.status):
        context.failure = f"status {response.status}"
        raise await failed_response(response)
    pieces = response.raw_pieces()
    # As long as there is a fallback, headers alone are no answer, nor is an error.
    start = await _start_of(pieces) if may_fall_back else b""
    if not response.is_success:
        error = TranslatedError(response.status, error_type(response.status), "", None)
        context.fail(outcome_of_status(response.status), error)
    progress = _Progress(response)

    async def send(piece: bytes) -> None:
        context.keep_answer(piece)
        concludes = progress.feed(piece)
        if progress.error is not None:
            context.fail(Outcome.UPSTREAM_ERROR, progress.error)
        await sink.frame(piece, concludes=concludes)

    try:
        context.begin_response(response.status)
        await sink.begin(response.status, forwarded_headers(context))
        if start:
            await send(start)
        async for piece in pieces:
            await send(piece)
    except Failure as exc:
        # Too late for an error of Holdover's: an end without the last chunk tells the client.
        context.failure = str(exc)
        context.fail(outcome_of_failure(exc), error_of_failure(exc))
        await sink.end(abruptly=True)
        return
    await sink.end(abruptly=False)


async def _start_of(pieces: AsyncIterator[bytes]) -> bytes:
    """Return the first piece of a body; raises `AttemptFailed` if it is a stream's error."""
    start = await anext(pieces, b"")
    if start.startswith(_ERROR_EVENT):
        error = translate_error(_OK, start.partition(b"data:")[2])
        if status_may_fall_back(error.status):
            raise AttemptFailed(error, Outcome.UPSTREAM_ERROR, may_fall_back=True)
    return start


class _Progress:
    """
    Watches a body that is passed on for its end, and a stream for its error event.

    A compressed stream, and one whose last words come in two pieces, is not
    seen to conclude before the upstream ends it.
    """

    def __init__(self, response: UpstreamResponse) -> None:
        self.error: TranslatedError | None = None
        """The error event that the stream has sent."""
        self._tail = b"\n"
        """The latest bytes: the error event's first line may come in two pieces."""
        self._is_stream = response.is_event_stream
        self._left = declared_length(response.headers)

    def feed(self, piece: bytes) -> bool:
        """Take a piece; return True if a client may take the answer for complete after it."""
        if not self._is_stream:
            self._left -= len(piece)
            return self._left == 0
        # Text of the model cannot begin a line: in JSON a line end is escaped.
        _, line, rest = (self._tail + piece).partition(b"\n" + _ERROR_EVENT)
        self._tail = (self._tail + piece)[-len(_ERROR_EVENT) :]
        if line and self.error is None:
            data = rest.partition(b"data:")[2].partition(b"\n")[0]
            self.error = translate_error(_OK, data)
        return any(words in piece for words in _LAST_WORDS)
