"""
uvicorn's HTTP protocol, with two corrections that its settings cannot make.

An offer to upgrade (`Upgrade: h2c`, which Java's own client makes to every
plain-text server) is declined by not hearing it, as RFC 9110, section 7.8
allows. The parser under uvicorn would take such a request to have no body.

Statuses that HTTP itself does not name get a reason phrase: TypeScript 0.4.x
shows its user nothing else of an error (clients, rule 8), and ASGI gives an
application no way to say it.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http import httptools_impl

_OFFER: Final = re.compile(rb"(?<=\n)upgrade:[^\n]*\n", re.IGNORECASE)
_PHRASES: Final = {529: "Overloaded"}


class ServerProtocol(httptools_impl.HttpToolsProtocol):
    """One connection of a client."""

    def data_received(self, data: bytes) -> None:
        """Take bytes off the network; a request's head without its offers to upgrade."""
        if self._is_between_bodies() and b"pgrade" in data:  # not within long bodies, for nothing
            head, end, body = data.partition(b"\r\n\r\n")
            data = _OFFER.sub(b"", head + end) + body
        super().data_received(data)

    def _is_between_bodies(self) -> bool:
        cycle: httptools_impl.RequestResponseCycle | None = self.cycle
        return cycle is None or not cycle.more_body


def name_unnamed_statuses() -> None:
    """Give every status of an error its phrase, in the table that uvicorn takes them from."""
    named = {status.value for status in HTTPStatus}
    for status in range(400, 600):
        if status not in named:
            phrase = _PHRASES.get(status, "Error")
            httptools_impl.STATUS_LINE[status] = f"HTTP/1.1 {status} {phrase}\r\n".encode()
