import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from proxy.loop_delay import LATE_SECONDS, LoopDelay


class Clock:
    """Goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@asynccontextmanager
async def measuring(delay: LoopDelay) -> AsyncIterator[None]:
    task = asyncio.ensure_future(delay.keep_measuring())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def test_a_loop_that_was_never_measured_is_not_late():
    delay = LoopDelay(lambda _: None)

    assert (delay.seconds, delay.worst_seconds, delay.is_late) == (0, 0, False)
    assert delay.lasting_seconds == 0


@pytest.mark.anyio
async def test_a_look_that_is_overdue_counts_before_it_is_made():
    clock = Clock()
    delay = LoopDelay(lambda _: None, clock)
    async with measuring(delay):
        clock.advance(LATE_SECONDS)
        was_late = delay.is_late
        clock.advance(0.11)

        assert (was_late, delay.is_late) == (False, True)
        assert delay.worst_seconds == delay.seconds == pytest.approx(LATE_SECONDS + 0.01)


@pytest.mark.anyio
async def test_the_worst_delay_is_remembered_and_the_last_one_is_the_present_one():
    told: list[float] = []
    clock, is_over = Clock(), asyncio.Event()

    def observe(worst: float) -> None:
        told.append(worst)
        seconds = 0.6 if len(told) == 1 else 0.1
        asyncio.get_running_loop().call_soon(clock.advance, seconds)  # during the next look
        if len(told) == 3:
            is_over.set()

    delay = LoopDelay(observe, clock)
    async with measuring(delay):
        await is_over.wait()

    assert told == pytest.approx([0, 0.5, 0.5])
    assert not delay.is_late
    assert delay.lasting_seconds == 0
    assert delay.worst_seconds == pytest.approx(0.5)


@pytest.mark.anyio
async def test_a_look_that_came_early_is_no_delay():
    told: asyncio.Queue[float] = asyncio.Queue()
    async with measuring(LoopDelay(told.put_nowait, Clock())):
        assert await told.get() == 0
