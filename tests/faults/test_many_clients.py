"""Clients that are too many, and heads that are too large or never end, on a real server."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fleet import Fleet, running_fleet
from tests.harness import body
from tests.processes import resident_bytes
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.faults("client")

MIB = 1024 * 1024
HEAD = b"POST /v1/complete HTTP/1.1\r\nHost: localhost\r\nx-api-key: k\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def asking(*headers: bytes) -> bytes:
    """A whole request for a completion."""
    content = json.dumps(body()).encode()
    lines = [HEAD, *(header + b"\r\n" for header in headers)]
    return b"".join([*lines, b"content-length: %d\r\n\r\n" % len(content), content])


def told_together(fleet: Fleet, requests: Sequence[bytes]) -> Counter[int]:
    """Let a client for each of these say it at once; return the statuses that they were told."""
    port = int(fleet.url.rpartition(":")[2])

    async def one(request: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 529 "):
                lines = head.lower().splitlines()
                assert {b"retry-after: 1", b"x-should-retry: true"} <= set(lines)
                error = json.loads(await reader.read())["error"]
                assert error["type"] == "overloaded_error"
            return int(head[9:12])
        finally:
            writer.close()

    async def all_of_them() -> list[int]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(*map(one, requests))

    return Counter(asyncio.run(all_of_them()))


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.parametrize("workers", [1, 2])
def test_where_descriptors_run_out_every_client_is_answered(tmp_path: Path, workers: int):
    with running_fleet(tmp_path, workers=workers, descriptors=128) as fleet:
        for _ in range(2):
            statuses = told_together(fleet, [asking(b"simulate-delay-headers: 500")] * 300)

            assert set(statuses) == {200, 529}
            assert statuses[200] >= 24 * workers
            assert statuses.total() == 300
        assert fleet.post().status_code == 200
        refused = fleet.line("connections_refused")
        low = fleet.lines("few_descriptors")
        troubles = fleet.lines(level="error")

    assert refused["limit"] == 24
    assert [(line["limit"], line["connections"]) for line in low] == [(128, 32)]
    assert troubles == []


REFUSED = {
    "empty headers": (HEAD + b"a:\r\n" * 30_000, 431),
    "headers of one byte": (HEAD + b"a:b\r\n" * 25_000, 431),
    "a target without an end": (b"GET /" + b"a" * 120_000, 414),
    "trailers": (CHUNKED + b"0\r\n" + b"a:\r\n" * 30_000, 431),
}
ENDLESS = (
    HEAD + b"a:" + b"b" * 120_000,
    HEAD + b"a" * 120_000,
    HEAD + (b"a:" + b"b" * 640 + b"\r\n") * 95,
    CHUNKED + b"0\r\na:" + b"b" * 120_000,
)


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("flooded"), "body_timeout = 5") as fleet:
        told_together(fleet, [asking()] * 20)
        yield fleet


@pytest.mark.thorough
@pytest.mark.parametrize("flood", REFUSED)
def test_heads_beyond_their_limits_cost_next_to_nothing(flooded: Fleet, flood: str):
    data, status = REFUSED[flood]
    before = resident_bytes(flooded.process.pid)

    statuses = told_together(flooded, [data] * 400)

    assert statuses == {status: 400}
    assert resident_bytes(flooded.process.pid) - before < 32 * MIB


@pytest.mark.thorough
def test_heads_without_an_end_cost_no_more_than_is_set_aside_for_them(flooded: Fleet):
    before = resident_bytes(flooded.process.pid)

    statuses = told_together(flooded, [*ENDLESS] * 120)

    assert resident_bytes(flooded.process.pid) - before < 48 * MIB
    assert set(statuses) == {408, 529}
    assert statuses.total() == 480
    assert told_together(flooded, [asking()]) == {200: 1}
