"""
Forward requests for all other paths to the upstream, and its responses back, unchanged.

The `Front` has checked the path before; what it refused does not come here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from starlette.types import Receive, Scope, Send

from proxy.admission import Admission
from proxy.error_app import NO_STORE_HEADERS
from proxy.errors import ClientGone, Failure, ShuttingDown
from proxy.exchange.handler import CurrentConfig
from proxy.headers import Headers, date_header, end_to_end, first, headers_for_a_page
from proxy.observability.metrics import Metrics
from proxy.security.credentials import secrets_in
from proxy.security.redaction import Redactor, describe_crash, in_brief
from proxy.server.connection.client_gone import while_connected
from proxy.upstream.client import UpstreamResponse
from proxy.upstream.dispatch import Dispatcher
from translators import encode_error

log = structlog.get_logger("holdover.traffic")

_PATH_LENGTH = 1024
_CONTENT_LENGTH, _NO_HEADERS = frozenset({b"content-length"}), frozenset[bytes]()
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_KNOWN_PATHS = (
    *("/v1/messages/count_tokens", "/v1/messages/batches", "/v1/messages"),
    *("/v1/models", "/v1/files", "/v1/skills", "/v1/organizations"),
)
"""Paths of the API, each before those that it begins with."""
_SHUTTING_DOWN = ShuttingDown("Holdover is shutting down.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardEndpoint:
    """The ASGI application for every path that is not translated."""

    dispatcher: Dispatcher
    admission: Admission
    present: CurrentConfig
    redactor: Redactor
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, streaming both ways; stop if its client leaves."""
        response = _Response(send, headers_for_a_page(scope["headers"]))
        try:
            async with asyncio.TaskGroup() as group:
                body = _RequestBody(scope, receive)
                feeding = group.create_task(body.feed())
                await self._forward(scope, body, response)
                feeding.cancel()
        except* ClientGone:
            response.outcome = "client_gone"
        except* asyncio.CancelledError:  # the server's grace period at shutdown has ended
            await response.refuse_unless_started(_SHUTTING_DOWN, "cut_off")
        finally:
            self.metrics.request_passed(known_path(scope["path"]), response.status)
            path = logged_path(scope, self.redactor)
            log.info("forward", method=scope["method"], path=path, **response.fields())

    async def _forward(self, scope: Scope, body: _RequestBody, response: _Response) -> None:
        headers: Headers = list(scope["headers"])
        target, query = scope["raw_path"], scope["query_string"]
        has_length = first(headers, b"content-length") not in {None, b"0"}
        has_body = has_length or first(headers, b"transfer-encoding") is not None
        try:
            config = self.present.config
            caller = config.keyring.digest_of(headers)
            weight = config.weights.get(config.keyring.name_of(headers), 1)
            # Bodies are passed on in pieces, and cost nothing.
            async with self.admission.slot(caller, size=0, weight=weight):
                answer = await self.dispatcher.send_passthrough(
                    config.keyring.for_other_paths(headers),
                    scope["method"],
                    target + b"?" + query if query else target,
                    headers,
                    body.pieces() if has_body else None,
                    caller=caller,
                )
                try:
                    await response.forward(answer)
                except Failure:
                    # Too late for an error response: the missing last chunk tells the client.
                    response.outcome = "broken_off"
                finally:
                    await answer.close()
        except Failure as exc:
            await response.refuse(exc)
        except Exception as exc:  # noqa: BLE001 - no error may escape unanswered and unlogged
            log.error("forward_crashed", **describe_crash(exc))
            # If it has begun, its missing end says that it failed.
            await response.refuse_unless_started(Failure("Internal server error"), "broken_off")


def known_path(path: str) -> str:
    """Return the known path that a path is, or lies under; `other` if there is none."""
    under = (known for known in _KNOWN_PATHS if path == known or path.startswith(f"{known}/"))
    return next(under, "other")


def logged_path(scope: Scope, redactor: Redactor) -> str:
    """Return the path as the log may have it, without keys, especially those of the request."""
    hide = redactor.hiding(key.decode("latin-1") for key in secrets_in(scope["headers"]))
    return in_brief(scope["path"], hide, _PATH_LENGTH)


class _RequestBody:
    """A request body in transit; the only reader of `receive`, so it notices a disconnect."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._pieces = asyncio.Queue[bytes | None](maxsize=2)

    async def feed(self) -> None:
        """Queue pieces until the client leaves; then raise `ClientGone`."""
        while (message := await self._receive())["type"] != "http.disconnect":
            await self._queue(message.get("body", b""))
            if not message.get("more_body", False):
                await self._queue(None)
        raise ClientGone

    async def _queue(self, piece: bytes | None) -> None:
        try:
            self._pieces.put_nowait(piece)
        except asyncio.QueueFull:
            async with while_connected(self._scope):
                await self._pieces.put(piece)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the queued pieces."""
        while (piece := await self._pieces.get()) is not None:
            yield piece


@dataclass(slots=True)
class _Response:
    """The response on its way to the client, and what to log about it."""

    send: Send
    cors_headers: Headers
    """CORS headers of Holdover's own answers; empty if no page asked."""
    outcome: str = "finished"
    status: int | None = None
    started: float = field(default_factory=time.perf_counter)

    async def forward(self, answer: UpstreamResponse) -> None:
        headers = end_to_end(
            answer.headers,
            without=_CONTENT_LENGTH if answer.status in _WITHOUT_BODY else _NO_HEADERS,
        )
        await self._start(answer.status, headers)
        async for piece in answer.raw_pieces():
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, failure: Failure) -> None:
        body = encode_error(failure.error_type, str(failure), None)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        headers += [date_header(), *self.cors_headers, *failure.headers, *NO_STORE_HEADERS]
        await self._start(failure.status, headers)
        await self.send({"type": "http.response.body", "body": body})

    async def refuse_unless_started(self, failure: Failure, outcome: str) -> None:
        self.outcome = outcome
        if self.status is None:
            await self.refuse(failure)

    async def _start(self, status: int, headers: Headers) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    def fields(self) -> dict[str, object]:
        """Return the fields of a log line."""
        total_ms = round((time.perf_counter() - self.started) * 1000, 3)
        return {"status": self.status, "outcome": self.outcome, "total_ms": total_ms}
