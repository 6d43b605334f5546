"""Every upstream that a process asks: their clients, their keys' health, what they have taught."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from proxy.cooperative import CooperativeRunner
from proxy.errors import KeyRefused
from proxy.headers import Headers
from proxy.security.keyring import Destination, is_about_a_model, refuses_key
from proxy.upstream.client import UpstreamClient, UpstreamResponse
from proxy.upstream.learned_capabilities import LearnedCapabilities
from proxy.upstream.pool import ConnectionCounts
from proxy.upstream.request_headers import forwarded_request_headers
from proxy.upstream.transport import Timeouts

KeyObserver: TypeAlias = Callable[[Destination, int], None]
"""Called with each status that an upstream answers to a key of Holdover's."""


class Dispatcher:
    """Keeps one client for each upstream, with connections of its own, for all requests."""

    def __init__(
        self,
        messages_url: str,
        timeouts: Timeouts,
        learned: LearnedCapabilities,
        runner: CooperativeRunner,
        on_key: KeyObserver | None = None,
    ) -> None:
        self.runner = runner
        self.learned = learned
        self._timeouts = timeouts
        # Made at the start, so that a bad URL stops the start and not the first request.
        self._by_url = {messages_url: UpstreamClient(messages_url, timeouts)}
        self._on_key = on_key

    @property
    def connections(self) -> ConnectionCounts:
        """How many connections to all upstreams there are."""
        return sum((client.connections for client in self._by_url.values()), ConnectionCounts())

    def client_for(self, to: Destination) -> UpstreamClient:
        """Return the client of a destination's upstream."""
        if (client := self._by_url.get(to.url)) is None:
            client = self._by_url[to.url] = UpstreamClient(to.url, self._timeouts)
        return client

    async def send_passthrough(  # noqa: PLR0913 - a request's parts, and whose it is
        self,
        to: Destination,
        method: str,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | None,
        *,
        caller: str,
    ) -> UpstreamResponse:
        """Send a request for any other path unchanged; raises `Failure`."""
        client = self.client_for(to)
        response = await client.forward(
            method, target, forwarded_request_headers(headers, to), body, caller=caller
        )
        try:
            self.check_key(to, response.status)
        except KeyRefused:
            await response.close()
            raise
        return response

    def check_key(self, to: Destination, status: int, message: str = "") -> None:
        """Raise `KeyRefused` if an answer refuses a key that is Holdover's, not the client's."""
        if to.setting is None or is_about_a_model(status, message):
            return
        if self._on_key is not None:
            self._on_key(to, status)
        if refuses_key(status):
            raise KeyRefused(to.setting, status)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._by_url.values():
            await client.close()
