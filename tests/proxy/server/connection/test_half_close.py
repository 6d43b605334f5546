"""A client that ends its sending and waits is asked whether it is there until it is answered."""

import asyncio

import pytest

from proxy.server.connection.half_close import provoke_reset
from tests.client_bytes import Wire
from tests.end_to_end.raw import INTERIM


@pytest.mark.parametrize(("turns", "asked"), [(0, 0), (2, 2), (100, 6)])
def test_who_waits_is_asked_until_it_is_answered_and_not_for_ever(turns: int, asked: int):
    awaited = iter([True] * turns)

    async def ask() -> int:
        provoke_reset(wire := Wire(), lambda: next(awaited, False), pauses=(0,) * 5)
        for _ in range(50):
            await asyncio.sleep(0)
        return wire.written.count(INTERIM)

    assert asyncio.run(ask()) == asked


def test_nothing_is_said_where_the_connection_is_closed():
    wire = Wire()
    wire.close()

    provoke_reset(wire, lambda: True)

    assert wire.written == b""
