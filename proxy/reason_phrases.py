"""
Reason phrases for the statuses that HTTP itself does not name.

TypeScript 0.4.x shows its user nothing else of an error (clients, rule 8), and
ASGI gives an application no way to say it: uvicorn takes it from this table.
"""

from __future__ import annotations

from http import HTTPStatus

from uvicorn.protocols.http import httptools_impl

_UNNAMED = {529: "Overloaded"}


def name_unnamed_statuses() -> None:
    """Give 529 its phrase, and every status of its class that has none a plain one."""
    named = {status.value for status in HTTPStatus}
    for status in range(400, 600):
        if status not in named:
            phrase = _UNNAMED.get(status, "Error")
            httptools_impl.STATUS_LINE[status] = f"HTTP/1.1 {status} {phrase}\r\n".encode()
