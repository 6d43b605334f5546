"""
Sends requests to one upstream and reads its responses.

The transport is driven without `httpx.AsyncClient`, whose cookie jar would
hand one caller's cookies to the next.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Final

import httpx
import structlog

from proxy.errors import (
    Unreachable,
    UpstreamBrokeOff,
    UpstreamFailure,
    UpstreamTooSlow,
    UpstreamUnreachable,
)
from proxy.headers import Headers, first
from proxy.security.keyring import DEFAULT_PORTS
from proxy.upstream.decompression import is_compressed, iter_decompressed
from proxy.upstream.egress import LOOPBACK, authority, proxy_for, trust
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.pool import ConnectionCounts
from proxy.upstream.response_stream import ResponseStream
from proxy.upstream.timers import peer_timeout
from proxy.upstream.transport import Body, OutgoingRequest, Timeouts, Transport

log = structlog.get_logger()

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Longest answer that is read: more than any model writes."""
_MAX_ERROR_BYTES: Final = 1024 * 1024
"""Longest body of an error that is read."""
_WITH_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests name a length also where there is no body (RFC 9110, section 8.6)."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose requests may be sent twice (RFC 9110, section 9.2.1)."""
_SUCCESS: Final[range] = range(200, 300)
_STATUSES: Final[range] = range(200, 600)
"""Status codes of a final response (RFC 9110, section 15)."""


def _failure_of(problem: httpx.TransportError, where: str) -> UpstreamFailure:
    """Return the failure for the client, with host, port and cause for the operator."""
    match problem:
        case httpx.ConnectTimeout():
            text = "Connecting to the upstream took too long."
            detail = f"{where}: {problem}"
            return UpstreamUnreachable(text, detail=detail, reason=Unreachable.SLOW)
        case httpx.ConnectError():
            reason, cause = _connecting_failed(problem)
            in_brackets = f" ({cause})" if cause else ""
            return UpstreamUnreachable(
                f"The upstream cannot be reached: {reason.value}.",
                detail=f"{where}: {reason.value}{in_brackets}",
                reason=reason,
            )
        case httpx.ProxyError():
            reason = Unreachable.PROXY
            text = f"The upstream cannot be reached: {reason.value}."
            return UpstreamUnreachable(text, detail=f"{where}: {problem}", reason=reason)
        case httpx.TimeoutException():
            text = "The upstream did not answer in time."
            return UpstreamTooSlow(text, detail=f"{where}: nothing came in the time allowed")
        case _:
            text = "The connection to the upstream broke off."
            return UpstreamBrokeOff(
                text, detail=f"{where}: {str(problem) or type(problem).__name__}"
            )


def _connecting_failed(problem: httpx.ConnectError) -> tuple[Unreachable, str]:
    """Return what kind of error it was, and the cause in the system's words."""
    cause: BaseException = problem
    while True:
        # Where a name has several addresses, there is an error for each: the first one will do.
        several = cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        inner = next(iter(several), None) or cause.__cause__ or cause.__context__
        is_specific = isinstance(cause, (OSError, UnicodeError)) and type(cause) is not OSError
        if inner is None or is_specific:
            break
        cause = inner
    match cause:
        case ssl.SSLCertVerificationError():
            return Unreachable.CERTIFICATE, cause.verify_message
        case ssl.SSLError():
            return Unreachable.TLS, cause.reason or str(cause)
        case socket.gaierror() | UnicodeError():
            return Unreachable.NAME, str(cause)
        case ConnectionRefusedError():
            return Unreachable.REFUSED, str(cause)
        case ConnectionError():
            return Unreachable.CLOSED, str(cause)
        case _:
            return Unreachable.NETWORK, str(cause)


class UpstreamResponse:
    """A response whose head has arrived and whose body can be read once."""

    def __init__(self, response: ResponseStream, where: str, error_seconds: float) -> None:
        self._response = response
        self._where = where
        self._error_seconds = error_seconds
        self._body: bytes | None = None
        self.tap: Callable[[bytes], None] | None = None
        """Called with every piece of the body that is read."""
        self.status = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers]

    @property
    def is_success(self) -> bool:
        """True if the status is 2xx."""
        return self.status in _SUCCESS

    @property
    def is_event_stream(self) -> bool:
        """True if the body is a stream of server-sent events."""
        content_type = first(self.headers, b"content-type") or b""
        return content_type.lower().startswith(b"text/event-stream")

    async def read(self, *, most: int = MAX_ANSWER_BYTES) -> bytes:
        """Return the decoded body; raises `UpstreamBrokeOff` if it has more than `most` bytes."""
        if self._body is None:
            body: list[bytes] = []
            size = 0
            async for piece in self.pieces():
                body.append(piece)
                size += len(piece)
                if size > most:
                    raise UpstreamBrokeOff("The upstream's response is too large.")
            self._body = b"".join(body)
        return self._body

    async def read_error(self) -> bytes:
        """
        Return the decoded body of an error, or nothing if it does not arrive whole and in time.

        The status alone makes it an error, whatever becomes of the text that explains it.
        """
        try:
            async with peer_timeout(self._error_seconds):
                return await self.read(most=_MAX_ERROR_BYTES)
        except UpstreamFailure as exc:
            reason = str(exc)
        except TimeoutError:
            reason = "It did not arrive in time."
        log.warning("upstream_error_unreadable", status=self.status, reason=reason)
        self._body = b""
        return b""

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the decoded body as it arrives; raises `Failure` if it breaks off."""
        raw = self.raw_pieces()
        decoded = iter_decompressed(raw) if is_compressed(self.headers) else raw
        return decoded if self.tap is None else _tapped(decoded, self.tap)

    async def raw_pieces(self) -> AsyncIterator[bytes]:
        """Yield the raw body as it arrives; raises `Failure` if it breaks off."""
        try:
            async for piece in self._response:
                yield piece
        except httpx.TransportError as exc:
            raise _failure_of(exc, self._where) from exc

    def finish(self) -> None:
        """Read no further: upstream has said all, though the end of the body may be on its way."""
        self._response.finish()

    async def close(self) -> None:
        """Release the connection; close it if more was to come."""
        await self._response.aclose()


async def close_all(answers: list[UpstreamResponse]) -> None:
    """Close responses, the last one first."""
    while answers:
        await answers.pop().close()


async def _tapped(
    pieces: AsyncIterator[bytes], tap: Callable[[bytes], None]
) -> AsyncIterator[bytes]:
    async for piece in pieces:
        tap(piece)
        yield piece


class UpstreamClient:
    """An upstream under its base url: the Messages API, or a legacy one."""

    def __init__(self, url: str, timeouts: Timeouts) -> None:
        self._url = httpx.URL(url)
        self._origin = (
            self._url.scheme,
            self._url.raw_host.decode("ascii"),
            self._url.port or DEFAULT_PORTS[self._url.scheme],
        )
        proxy = proxy_for(url)
        self._where = authority(self._url.host, self._origin[2])
        if proxy is not None:
            self._where += f" through the proxy {proxy}"
        self._prefix = self._url.raw_path.rstrip(b"/")
        self._timeouts = timeouts
        self._transport = Transport(trust(), proxy=proxy, keep_alive=timeouts.keep_alive)

    @property
    def is_on_loopback(self) -> bool:
        """True if the upstream is on this machine, so that no proxy is used."""
        return self._url.host in LOOPBACK

    @property
    def connections(self) -> ConnectionCounts:
        """How many connections there are to the upstream."""
        return self._transport.connections

    async def connect(self) -> Http11Connection:
        """
        Return a connection, ready for the next request; raises `UpstreamUnreachable`.

        It is made now, unless one is idle.
        """
        try:
            return await self._transport.connect(self._origin, self._timeouts.connect)
        except httpx.TransportError as exc:
            raise _failure_of(exc, self._where) from exc

    async def send_message(
        self, headers: Headers, body: Sequence[bytes], *, caller: str = ""
    ) -> UpstreamResponse:
        """
        Send a Messages request; try again once if no connection could be made.

        Both tries together may take the time allowed for connecting.

        A request that met a connection that upstream had closed meanwhile is sent again, once.
        Where no byte of an answer came, that is as safe as a POST can be: a client may repeat one
        that it knows to be safe (RFC 9110, section 9.2.2), a message changes nothing on the
        server, and the official SDKs repeat it after any error of a connection, twice ("Retries"
        in the README of anthropic-sdk-python).
        """
        until = time.monotonic() + self._timeouts.connect
        length = (b"content-length", b"%d" % sum(map(len, body)))
        fields = [(b"host", self._url.netloc), *headers, length]
        request = OutgoingRequest(
            method="POST",
            origin=self._origin,
            target=self._prefix + b"/v1/messages",
            headers=fields,
            body=body,
            timeouts=self._timeouts,
            caller=caller,
            may_repeat=True,
        )
        try:
            return await self._send(request)
        except UpstreamUnreachable as exc:
            left = until - time.monotonic()
            # uvloop's timers may be a millisecond early: no time is left after a timeout.
            if left <= 0 or exc.reason is Unreachable.SLOW:
                raise
            log.warning("upstream_asked_again", reason=exc.detail)
            return await self._send(
                replace(request, timeouts=replace(self._timeouts, connect=left))
            )

    async def forward(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | bytes | None,
        *,
        caller: str = "",
    ) -> UpstreamResponse:
        """
        Send a request unchanged to a path with its query; a body may still be arriving.

        What may be sent again on a new connection: a safe request, and one whose body is given as
        bytes, which is a completion (see `send_message`). The rest of a body that is still arriving
        cannot be had twice.
        """
        fields = [(b"Host", self._url.netloc), *headers]
        names = {name.lower() for name, _ in headers}
        if body is None or isinstance(body, bytes):
            pieces: Body = (body,) if body else ()
            may_repeat = body is not None or method in _SAFE
            if b"content-length" not in names and (body or method in _WITH_CONTENT):
                fields.insert(1, (b"Content-Length", b"%d" % len(body or b"")))
        else:
            pieces, may_repeat = body, False
            if b"content-length" not in names:
                fields.insert(1, (b"Transfer-Encoding", b"chunked"))
        request = OutgoingRequest(
            method=method,
            origin=self._origin,
            target=self._prefix + target,
            headers=fields,
            body=pieces,
            timeouts=self._timeouts,
            caller=caller,
            may_repeat=may_repeat,
        )
        return await self._send(request)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _send(self, request: OutgoingRequest) -> UpstreamResponse:
        try:
            stream = await self._transport.send(request)
        except httpx.TransportError as exc:
            failure = _failure_of(exc, self._where)
            if isinstance(failure, UpstreamUnreachable):
                log.error("upstream_unreachable", reason=failure.detail)
            raise failure from exc
        response = UpstreamResponse(stream, self._where, request.timeouts.error)
        if response.status not in _STATUSES:
            await response.close()
            raise UpstreamBrokeOff("The upstream answered with an invalid status code.")
        return response
