import asyncio

import pytest

from proxy.server.connection.head_holding import HeadHoldingTransport

pytestmark = pytest.mark.anyio


class Written:
    """A transport that keeps each write by itself."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def other(self) -> str:
        return "delegated"


def holding() -> tuple[Written, HeadHoldingTransport]:
    below = Written()
    return below, HeadHoldingTransport(below, asyncio.get_running_loop())


async def test_a_head_leaves_with_what_follows_at_once_and_what_comes_then_by_itself():
    below, transport = holding()
    for _ in range(2):
        transport.hold_head()
        transport.write(b"head ")
        transport.write(b"first")
        transport.write(b"second")

    assert below.writes == [b"head first", b"second"] * 2


async def test_a_head_that_nothing_follows_leaves_in_the_next_turn():
    below, transport = holding()
    transport.hold_head()
    transport.write(b"head")
    assert below.writes == []
    await asyncio.sleep(0)
    transport.write(b"late")

    assert below.writes == [b"head", b"late"]


async def test_nothing_that_is_held_is_lost_where_the_connection_is_closed():
    below, transport = holding()
    transport.hold_head()
    transport.write(b"head")
    transport.close()

    assert (below.writes, transport.is_closing()) == ([b"head"], True)


async def test_what_is_large_is_not_copied_behind_a_head():
    below, transport = holding()
    transport.hold_head()
    transport.write(b"head")
    transport.write(b"x" * 100_000)

    assert list(map(len, below.writes)) == [4, 100_000]


async def test_without_being_told_to_hold_it_writes_at_once():
    below, transport = holding()
    transport.write(b"now")

    assert below.writes == [b"now"]
    assert transport.other() == "delegated"
