"""`POST /v1/complete`, in any spelling of its path."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from proxy.admission import Slot
from proxy.endpoints.admin_token import peer_address
from proxy.endpoints.asgi_response import AsgiResponse, Finalize
from proxy.endpoints.request_body import read_body, wait_for_disconnect
from proxy.errors import BodyEndless, ClientGone, ShuttingDown
from proxy.exchange.context import ExchangeContext
from proxy.exchange.handler import CompletionHandler
from proxy.exchange.response import send_error
from proxy.outcome import Outcome
from translators import TranslatedError

if TYPE_CHECKING:
    from proxy.observability.spans import Tracing

_SHUTTING_DOWN = TranslatedError(
    ShuttingDown.status, ShuttingDown.error_type, "Holdover is shutting down.", None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteEndpoint:
    """The ASGI application for Text Completions requests."""

    handler: CompletionHandler
    finalizer: Finalize
    max_body_bytes: int
    body_timeout: float
    ping_interval: float
    log_client_address: bool = False
    tracing: Tracing | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, stop if its client leaves, and finalize the exchange in any case."""
        context = ExchangeContext(
            path=scope["path"],
            headers=list(scope["headers"]),
            query=scope["query_string"],
            logged_peer=peer_address(scope) if self.log_client_address else None,
        )
        if self.tracing is not None:
            context.spans = self.tracing.begin(context.headers, context.received, context.started)
        runner = self.handler.runner
        sink = AsgiResponse(send, context, self.finalizer, runner, ping_interval=self.ping_interval)
        try:
            await self._run_while_connected(scope, receive, sink)
        except asyncio.CancelledError:
            # The server's grace period has ended: tell the client rather than leave it hanging.
            if not sink.has_ended:  # pragma: no branch - no test can hit the moment after the end
                context.failure = _SHUTTING_DOWN.message
                await send_error(sink, _SHUTTING_DOWN, Outcome.CUT_OFF)
        finally:
            await sink.finalize()

    async def _run_while_connected(
        self, scope: Scope, receive: Receive, sink: AsgiResponse
    ) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                sink.run_pings_in(group)
                watchers: list[asyncio.Task[None]] = []

                async def read(slot: Slot) -> bytes:
                    try:
                        body = await read_body(
                            scope,
                            receive,
                            max_bytes=self.max_body_bytes,
                            timeout_seconds=self.body_timeout,
                            slot=slot,
                        )
                    except BodyEndless:
                        sink.closes_connection = True
                        raise
                    watchers.append(group.create_task(wait_for_disconnect(receive)))
                    return body

                await self.handler.run(read, sink)
                for watcher in watchers:
                    watcher.cancel()
        except* ClientGone:
            # Clients may close once they have the last frame; old ones do so before the end of
            # every stream, and that is success (clients, rule 4).
            sink.context.client_gone = not sink.has_ended
