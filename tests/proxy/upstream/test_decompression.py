"""Bodies that an upstream has compressed, piece by piece."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamBrokeOff
from proxy.upstream.decompression import iter_decompressed

BODY = bytes(range(256)) * 40
COMPRESSED = gzip.compress(BODY)


def decompressed(*pieces: bytes) -> bytes:
    async def sent() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def read() -> bytes:
        return b"".join([piece async for piece in iter_decompressed(sent())])

    return asyncio.run(read())


@given(st.lists(st.integers(0, len(COMPRESSED))))
def test_a_body_is_the_same_however_it_is_cut(cuts: list[int]):
    places = [0, *sorted(cuts), len(COMPRESSED)]
    pieces = [COMPRESSED[start:end] for start, end in pairwise(places)]

    assert decompressed(*pieces) == BODY


def test_of_a_body_that_breaks_off_what_came_is_passed_on():
    assert BODY.startswith(decompressed(COMPRESSED[:100], COMPRESSED[100:200]))


def test_what_is_behind_the_end_is_left_out():
    assert decompressed(COMPRESSED + b"more", b"and more") == BODY


def test_what_is_not_compressed_is_damaged():
    with pytest.raises(UpstreamBrokeOff):
        decompressed(b"plain")
