"""
The client's end of an exchange, and the two ways to say that it failed.

An error is an HTTP error while that is still possible and a frame of the
stream after that; in the old dialect the connection is then broken off too,
because its clients cannot tell a short answer from a failed one (clients,
rule 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from proxy.errors import Blame
from proxy.exchange.context import ExchangeContext
from proxy.headers import Headers
from translators import (
    Completion,
    TranslatedError,
    encode_error,
    encode_failure,
)


class ResponseSink(Protocol):
    """What an endpoint does for an exchange."""

    tap: Callable[[bytes], None] | None
    """Hears all that is said."""

    @property
    def has_started(self) -> bool:
        """Whether the status has been sent, so that it is too late for another."""
        ...

    async def whole(self, status: int, headers: Headers, body: Sequence[bytes]) -> None:
        """Send a JSON answer, which may come in pieces."""

    def open_stream(self, begin: Callable[[], Headers], ping: Callable[[], bytes] | None) -> None:
        """Let the stream begin with its first frame, or with a ping if that is long in coming."""

    def withdraw_stream(self) -> None:
        """Take back a stream that was opened and has not begun."""

    async def begin(self, status: int, headers: Headers) -> None:
        """Begin an answer that is passed on in pieces, as it is."""

    async def frame(self, data: bytes, *, concludes: bool = False) -> None:
        """Send one frame, or one piece of what is passed on, at once; the last one `concludes`."""

    async def conclude(self, data: bytes) -> None:
        """Send the last frame, and end the stream with it."""

    async def end(self, *, abruptly: bool) -> None:
        """End the stream; abruptly: so that nobody takes it for complete."""


async def reply_with_completion(
    reply: ResponseSink, notes: ExchangeContext, completion: Completion, body: Sequence[bytes]
) -> None:
    """Send a whole answer, which is spelled in this body."""
    notes.stop_reason = completion.stop_reason
    await reply.whole(200, notes.begin_reply(200), body)


async def reply_with_error(
    reply: ResponseSink, notes: ExchangeContext, error: TranslatedError, blame: Blame
) -> None:
    """Send an error, in whichever way is still possible."""
    notes.error, notes.blame = error, blame
    if reply.has_started and notes.route == "forward":
        await reply.end(abruptly=True)  # in the middle of somebody else's words
        return
    if reply.has_started:
        await reply.frame(encode_failure(error.type, error.message), concludes=True)
        await reply.end(abruptly=notes.dialect is None or notes.dialect.ends_abruptly_on_failure)
        return
    headers = notes.begin_reply(error.status)
    body = encode_error(error.type, error.message, error.request_id or notes.request_id)
    await reply.whole(error.status, headers, [body])
