"""Decompresses response bodies in small pieces, so that a bomb cannot fill the memory."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from proxy.errors import UpstreamBrokeOff
from proxy.headers import Headers, first

_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB: Final = 47
"""Value of `wbits` with which `zlib` detects the format."""
_PIECE_BYTES: Final = 256 * 1024


def is_compressed(headers: Headers) -> bool:
    """Return True if a body is compressed with gzip or deflate."""
    encoding = first(headers, b"content-encoding") or b""
    return encoding.decode("latin-1").lower() in _COMPRESSED


async def iter_decompressed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """
    Decompress a body piece by piece; raises `UpstreamBrokeOff` if it is damaged.

    httpx's decoder makes one piece of a bomb, and keeps all that comes after
    the end of what is compressed.
    """
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    with _as_failures():
        async for piece in pieces:
            left = piece
            while left and not inflater.eof:
                yield inflater.decompress(left, _PIECE_BYTES)
                left = inflater.unconsumed_tail
                await asyncio.sleep(0)
            if inflater.eof:
                return
        yield inflater.flush()


def decompressed(body: bytes, headers: Headers, *, most: int) -> bytes:
    """Return a forwarded body, decompressed; raises `UpstreamBrokeOff` if it cannot be read."""
    if not is_compressed(headers):
        return body
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    with _as_failures():
        whole = inflater.decompress(body, most)
    if inflater.unconsumed_tail:
        raise UpstreamBrokeOff("The upstream's response is too large.")
    return whole


@contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except zlib.error as exc:
        raise UpstreamBrokeOff("The upstream's answer cannot be decompressed.") from exc
