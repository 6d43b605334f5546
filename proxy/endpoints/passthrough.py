"""
Every other path: the request as it is to the upstream, the answer as it is back.

The `Front` has read the path before, and nothing comes here that it refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from starlette.types import Receive, Scope, Send

from proxy.error_app import NOT_KEPT
from proxy.errors import ClientGone, Failure, ShuttingDown
from proxy.exchange.handler import CurrentConfig
from proxy.headers import Headers, end_to_end, first
from proxy.security.credentials import secrets_in
from proxy.security.redaction import Redactor, describe_crash, in_brief
from proxy.upstream.client import UpstreamResponse
from proxy.upstream.dispatch import Dispatcher
from translators import encode_error

log = structlog.get_logger("holdover.traffic")

_PATH_LENGTH = 1024
_LENGTH, _NOTHING = frozenset({b"content-length"}), frozenset[bytes]()
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_SHUTTING_DOWN = ShuttingDown("Holdover is shutting down.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardEndpoint:
    """An ASGI application for whatever the upstream has."""

    dispatcher: Dispatcher
    present: CurrentConfig
    redactor: Redactor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request, streaming both ways; give up when its client does."""
        answering = _Answering(send)
        try:
            async with asyncio.TaskGroup() as group:
                body = _ArrivingBody(receive)
                feeding = group.create_task(body.feed())
                await self._forward(scope, body, answering)
                feeding.cancel()
        except* ClientGone:
            answering.outcome = "client_gone"
        except* asyncio.CancelledError:  # the server's patience at shutdown is at an end
            await answering.refuse_if_still_possible(_SHUTTING_DOWN)
        finally:
            path = logged_path(scope, self.redactor)
            log.info("forward", method=scope["method"], path=path, **answering.fields())

    async def _forward(self, scope: Scope, body: _ArrivingBody, answering: _Answering) -> None:
        headers: Headers = list(scope["headers"])
        try:
            answer = await self.dispatcher.send_passthrough(
                self.present.config.keyring.for_other_paths(headers),
                scope["method"],
                _target(scope),
                headers,
                body.pieces() if _has_body(headers) else None,
            )
        except Failure as exc:
            await answering.refuse(exc)
            return
        except Exception as exc:  # noqa: BLE001 - the last door, as in `exchange`
            log.error("forward_crashed", **describe_crash(exc))
            await answering.refuse(Failure("Internal server error"))
            return
        try:
            await answering.pass_on(answer)
        except Failure:
            # Too late for an error of ours: ending without the last chunk says it all.
            answering.outcome = "broken_off"
        finally:
            await answer.close()


def _target(scope: Scope) -> bytes:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def logged_path(scope: Scope, redactor: Redactor) -> str:
    """The path as a line of the log may have it: without keys, above all those that were sent."""
    hide = redactor.hiding(key.decode("latin-1") for key in secrets_in(scope["headers"]))
    return in_brief(scope["path"], hide, _PATH_LENGTH)


class _ArrivingBody:
    """A request body on its way through; the one reader of `receive`, so it sees a client go."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._pieces = asyncio.Queue[bytes | None](maxsize=2)

    async def feed(self) -> None:
        """Take pieces in until the client goes; then raise `ClientGone`."""
        while (message := await self._receive())["type"] != "http.disconnect":
            await self._pieces.put(message.get("body", b""))
            if not message.get("more_body", False):
                await self._pieces.put(None)
        raise ClientGone

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give them out."""
        while (piece := await self._pieces.get()) is not None:
            yield piece


@dataclass(slots=True)
class _Answering:
    """The answer on its way back, and what to log of it."""

    send: Send
    outcome: str = "finished"
    status: int | None = None
    started: float = field(default_factory=time.perf_counter)

    async def pass_on(self, answer: UpstreamResponse) -> None:
        headers = end_to_end(
            answer.headers, without=_LENGTH if answer.status in _WITHOUT_BODY else _NOTHING
        )
        await self._start(answer.status, headers)
        async for piece in answer.raw_pieces():
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, failure: Failure) -> None:
        body = encode_error(failure.error_type, str(failure), None)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self._start(failure.status, [*headers, *failure.headers, *NOT_KEPT])
        await self.send({"type": "http.response.body", "body": body})

    async def refuse_if_still_possible(self, failure: Failure) -> None:
        self.outcome = "cut_off"
        if self.status is None:
            await self.refuse(failure)

    async def _start(self, status: int, headers: Headers) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    def fields(self) -> dict[str, object]:
        """As the fields of a log line."""
        total_ms = round((time.perf_counter() - self.started) * 1000, 3)
        return {"status": self.status, "outcome": self.outcome, "total_ms": total_ms}


def _has_body(headers: Headers) -> bool:
    length = first(headers, b"content-length")
    return length not in {None, b"0"} or first(headers, b"transfer-encoding") is not None
