"""What is costly is made once for all who ask at the same time, and again later."""

import asyncio

import pytest

from proxy.console.remembered import Remembered


class Maker:
    """Makes numbers, each a new one, and fails where it is told to."""

    def __init__(self):
        self.made = 0
        self.may_go_on = asyncio.Event()
        self.fails = False

    async def __call__(self):
        self.made += 1
        await self.may_go_on.wait()
        if self.fails:
            raise LookupError
        return self.made


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_ten_who_ask_at_once_get_one_result_also_if_the_first_leaves():
    memory, make = Remembered(), Maker()
    asking = [asyncio.ensure_future(memory.get("a", 60, make)) for _ in range(10)]
    await asyncio.sleep(0)
    asking[0].cancel()
    make.may_go_on.set()

    assert await asyncio.gather(*asking[1:]) == [1] * 9
    assert await memory.get("b", 60, make) == 2


@pytest.mark.anyio
async def test_a_result_is_made_again_after_its_time():
    now = 1000.0
    memory, make = Remembered(clock=lambda: now), Maker()
    make.may_go_on.set()
    first = await memory.get("a", 60, make)
    now += 59
    second = await memory.get("a", 60, make)
    now += 1

    assert (first, second, await memory.get("a", 60, make)) == (1, 1, 2)


@pytest.mark.anyio
async def test_a_failure_is_for_those_who_have_asked_and_for_nobody_later():
    memory, make = Remembered(), Maker()
    make.may_go_on.set()
    make.fails = True
    failed = await asyncio.gather(
        *(memory.get("a", 60, make) for _ in range(3)), return_exceptions=True
    )
    make.fails = False

    assert [type(each) for each in failed] == [LookupError] * 3
    assert await memory.get("a", 60, make) == 2


@pytest.mark.anyio
async def test_only_so_many_results_are_kept():
    memory, make = Remembered(), Maker()
    make.may_go_on.set()
    for key in range(100):
        await memory.get(key, 60, make)

    assert await memory.get(99, 60, make) == 100
    assert await memory.get(0, 60, make) == 101
