"""
Reason phrases for statuses that HTTP itself does not define.

TypeScript 0.4.x shows its user nothing else of an error (clients, rule 8), and an ASGI
application cannot send one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http import httptools_impl

_PHRASES: Final = {529: "Overloaded"}


def name_unnamed_statuses() -> None:
    """Add a reason phrase for every other error status to the table of status lines in uvicorn."""
    named = {status.value for status in HTTPStatus}
    for status in range(400, 600):
        if status not in named:
            phrase = _PHRASES.get(status, "Error")
            httptools_impl.STATUS_LINE[status] = f"HTTP/1.1 {status} {phrase}\r\n".encode()
