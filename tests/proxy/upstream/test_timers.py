"""Timers that do not blame a peer for a loop that was held up."""

import asyncio
import time

import pytest

from proxy.upstream.timers import PeerTimer, peer_timeout

pytestmark = pytest.mark.anyio
TIMEOUT, HELD = 0.02, 0.15


def hold() -> None:
    """Compute for longer than the timeout; nothing else runs in this loop."""
    end = time.perf_counter() + HELD
    while time.perf_counter() < end:
        pass


async def a_while() -> None:
    """Longer than the timeout; there is nothing to wait for."""
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * TIMEOUT, later.set)
    await later.wait()


async def test_what_never_comes_is_given_up():
    with pytest.raises(TimeoutError):
        async with peer_timeout(TIMEOUT):
            await asyncio.Event().wait()


async def test_what_came_in_time_is_not_given_up_later():
    async with peer_timeout(TIMEOUT):
        pass
    await a_while()


async def test_what_is_there_when_a_held_up_loop_goes_on_has_come_in_time():
    async with peer_timeout(TIMEOUT):
        hold()
        for _ in range(5):
            await asyncio.sleep(0)


async def test_what_never_comes_is_given_up_by_a_loop_that_is_always_late():
    ended = asyncio.Event()
    timer = PeerTimer(asyncio.get_running_loop(), TIMEOUT, ended.set)
    turns = 0
    while not ended.is_set():
        hold()
        turns += 1
        await asyncio.sleep(0)

    assert turns > 4
    timer.cancel()  # nothing is left to cancel


async def test_a_timer_that_is_cancelled_does_not_call_back():
    calls = list[int]()
    PeerTimer(asyncio.get_running_loop(), TIMEOUT, lambda: calls.append(1)).cancel()
    await a_while()

    assert calls == []
