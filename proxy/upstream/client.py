"""
Sends requests to one upstream and reads its responses.

The transport is driven without `httpx.AsyncClient`, whose cookie jar would
hand one caller's cookies to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import httpx

from proxy.errors import Failure, UpstreamBrokeOff, UpstreamTooSlow, UpstreamUnreachable
from proxy.headers import Headers, first
from proxy.upstream.decompression import is_compressed, iter_decompressed
from proxy.upstream.egress import LOOPBACK, proxy_for
from proxy.upstream.transport import Timeouts, transport_for

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Longest answer that is read: more than any model writes."""
MAX_ERROR_BYTES: Final = 1024 * 1024
"""Longest error response that is read."""
_SUCCESS: Final[range] = range(200, 300)
_STATUSES: Final[range] = range(200, 600)
"""Status codes of a final response (RFC 9110, section 15)."""


def _failure_of(problem: httpx.TransportError) -> Failure:
    match problem:
        case httpx.ConnectTimeout():
            return UpstreamUnreachable("Connecting to the upstream took too long.")
        case httpx.ConnectError():
            return UpstreamUnreachable("The upstream cannot be reached.")
        case httpx.TimeoutException():
            return UpstreamTooSlow("The upstream did not answer in time.")
        case _:
            return UpstreamBrokeOff("The connection to the upstream broke off.")


class UpstreamResponse:
    """A response whose head has arrived and whose body can be read once."""

    def __init__(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._stream = response.stream
        self._body: bytes | None = None
        self.tap: Callable[[bytes], None] | None = None
        """Called with every piece of the body that is read."""
        self.status: int = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]

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

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the decoded body as it arrives; raises `Failure` if it breaks off."""
        raw = self.raw_pieces()
        decoded = iter_decompressed(raw) if is_compressed(self.headers) else raw
        return decoded if self.tap is None else _tapped(decoded, self.tap)

    async def raw_pieces(self) -> AsyncIterator[bytes]:
        """Yield the raw body as it arrives; raises `Failure` if it breaks off."""
        try:
            async for piece in self._stream:
                yield piece
        except httpx.TransportError as exc:
            raise _failure_of(exc) from exc

    async def close(self) -> None:
        """Release the connection; close it if the body was not read to its end."""
        await self._stream.aclose()


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


class _Pieces(httpx.AsyncByteStream):
    """A long request body in pieces, which can be sent more than once."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            await asyncio.sleep(0)  # a socket may take them all at once, and others wait


class _SpelledURL(httpx.URL):
    """
    Its path and query leave as they are spelled; httpx would quote some of it again.

    The `target` that httpx lets a request say otherwise is also what a proxy is
    asked to CONNECT to.
    """

    def __init__(self, url: httpx.URL, target: bytes) -> None:
        super().__init__(url)
        self._target = target

    @property
    def raw_path(self) -> bytes:
        return self._target


class UpstreamClient:
    """An upstream under its base url: the Messages API, or a legacy one."""

    def __init__(self, url: str, timeouts: Timeouts) -> None:
        self._url = httpx.URL(url)
        self._prefix = self._url.raw_path.rstrip(b"/")
        self._messages = self._url.copy_with(raw_path=self._prefix + b"/v1/messages")
        self._host = (b"host", self._url.netloc)
        self._extensions = {"timeout": timeouts.as_extension()}
        self._transport = transport_for(proxy_for(self._url))

    @property
    def is_on_loopback(self) -> bool:
        """True if the upstream is on this machine, so that no proxy is used."""
        return self._url.host in LOOPBACK

    async def send_message(self, headers: Headers, body: Sequence[bytes]) -> UpstreamResponse:
        """Send a Messages request; try again once if no connection could be made."""
        # httpx would derive host, length and body by itself, which takes a third longer.
        length = (b"content-length", b"%d" % sum(map(len, body)))
        request = httpx.Request(
            "POST",
            self._messages,
            headers=[self._host, *headers, length],
            stream=httpx.ByteStream(body[0]) if len(body) == 1 else _Pieces(body),
            extensions=self._extensions,
        )
        try:
            return await self._send(request)
        except UpstreamUnreachable:
            return await self._send(request)

    async def forward(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | bytes | None,
    ) -> UpstreamResponse:
        """Send a request unchanged to a path with its query; a body may still be arriving."""
        request = httpx.Request(
            method, self._url, headers=headers, content=body, extensions=self._extensions
        )
        request.url = _SpelledURL(self._url, self._prefix + target)
        return await self._send(request)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _send(self, request: httpx.Request) -> UpstreamResponse:
        try:
            answer = UpstreamResponse(await self._transport.handle_async_request(request))
        except httpx.TransportError as exc:
            raise _failure_of(exc) from exc
        if answer.status not in _STATUSES:
            await answer.close()
            raise UpstreamBrokeOff("The upstream answered with an invalid status code.")
        return answer
