"""
The client's end of an exchange, and the two ways to tell it about a failure.

An error is an HTTP error as long as nothing has been sent, and a frame of the
stream after that. In the old dialect the connection is then broken off too,
because its clients cannot tell a short answer from a failed one (clients,
rule 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from proxy.exchange.context import ExchangeContext
from proxy.exchange.response_headers import translated_headers
from proxy.headers import Headers
from proxy.outcome import Outcome
from translators import Completion, TranslatedError, encode_error, encode_failure


class ResponseSink(Protocol):
    """Sends the response of one exchange to its client."""

    @property
    def context(self) -> ExchangeContext:
        """The exchange."""
        ...

    @property
    def has_started(self) -> bool:
        """True once the status has been sent, so that no other response can begin."""
        ...

    async def whole(self, status: int, headers: Headers, body: Sequence[bytes]) -> None:
        """Send a JSON response, in one or several pieces."""

    def open_stream(self, ping: Callable[[], bytes] | None) -> None:
        """Let a stream begin with its first frame, or with a ping if that takes too long."""

    def withdraw_stream(self) -> None:
        """Take back a stream that was opened and has not begun."""

    async def begin(self, status: int, headers: Headers) -> None:
        """Begin a response that is passed on in pieces, unchanged."""

    async def frame(self, data: bytes, *, concludes: bool = False) -> None:
        """Send one frame, or one piece of a forwarded body; `concludes` marks the last one."""

    async def conclude(self, data: bytes) -> None:
        """Send the last frame, and end the stream with it."""

    async def end(self, *, abruptly: bool) -> None:
        """End the stream; with `abruptly`, so that no client takes it for complete."""


async def send_completion(
    sink: ResponseSink, completion: Completion, body: Sequence[bytes]
) -> None:
    """Send a whole completion, whose JSON is `body`."""
    context = sink.context
    context.stop_reason = completion.stop_reason
    context.begin_response(200)
    await sink.whole(200, translated_headers(context), body)


async def send_error(sink: ResponseSink, error: TranslatedError, outcome: Outcome) -> None:
    """Tell the client about an error, in whichever way is still possible."""
    context = sink.context
    secrets = context.caller.held_secrets if context.caller else []
    for secret in secrets:  # an upstream may quote the key that it refuses
        message = error.message.replace(secret.decode("latin-1"), "[key]")
        error = replace(error, message=message)
    context.fail(outcome, error)
    if sink.has_started and context.route == "forward":
        await sink.end(abruptly=True)  # a frame of ours does not fit into a forwarded body
        return
    if sink.has_started:
        await sink.frame(encode_failure(error.type, error.message), concludes=True)
        dialect = context.dialect
        await sink.end(abruptly=dialect is None or dialect.ends_abruptly_on_failure)
        return
    context.begin_response(error.status)
    body = encode_error(error.type, error.message, error.request_id or context.request_id)
    await sink.whole(error.status, translated_headers(context), [body])
