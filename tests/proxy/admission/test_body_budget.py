import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from proxy.admission import Limits
from proxy.admission.body_budget import BodyBudget
from proxy.errors import TooBusy

LIMITS = Limits(
    exchanges=10,
    exchanges_per_caller=10,
    waiting=10,
    max_wait=60,
    body_bytes=100,
    body_bytes_per_caller=60,
)


def in_a_loop(test: Callable[[BodyBudget], Awaitable[None]], limits: Limits = LIMITS) -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            await test(BodyBudget(limits))

    asyncio.run(run())


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_bodies_that_fit_are_held_at_once():
    async def test(budget):
        await budget.take("first", "a", 50)
        await budget.take("second", "b", 50)
        budget.give_back("first", "a", 50)
        assert budget.held == 50

    in_a_loop(test)


def test_one_body_that_does_not_fit_is_read_on_and_the_next_waits_for_room():
    async def test(budget):
        await budget.take("first", "a", 60)
        await budget.take("second", "b", 60)
        await budget.take("second", "b", 60)
        third = asyncio.create_task(budget.take("third", "c", 20))
        await turns()
        assert not third.done()
        budget.give_back("second", "b", 120)
        await third
        assert budget.held == 80

    in_a_loop(test)


def test_a_caller_with_its_share_waits_while_others_go_on():
    async def test(budget):
        await budget.take("first", "a", 60)
        await budget.take("exceeds", "a", 1)
        third = asyncio.create_task(budget.take("third", "a", 1))
        await turns()
        await budget.take("other", "b", 30)
        assert not third.done()
        budget.give_back("first", "a", 60)
        await third
        assert budget.held == 32

    in_a_loop(test)


def test_a_body_that_waits_for_too_long_is_refused():
    async def test(budget):
        await budget.take("first", "a", 100)
        with pytest.raises(TooBusy, match="too many bytes"):
            await budget.take("second", "b", 50)
        budget.give_back("first", "a", 100)
        assert budget.held == 0

    in_a_loop(test, replace(LIMITS, max_wait=0.01))


def test_a_body_that_is_given_up_as_it_gets_room_gives_it_back():
    async def test(budget):
        await budget.take("first", "a", 100)
        second = asyncio.create_task(budget.take("second", "b", 50))
        await turns()
        budget.give_back("first", "a", 100)
        second.cancel()
        await asyncio.wait([second])
        assert (second.cancelled(), budget.held) == (True, 0)

    in_a_loop(test)


def test_a_body_that_was_given_up_before_it_gets_room_takes_none():
    async def test(budget):
        await budget.take("first", "a", 100)
        second = asyncio.create_task(budget.take("second", "b", 50))
        await turns()
        second.cancel()
        budget.give_back("first", "a", 100)
        await asyncio.wait([second])
        assert (second.cancelled(), budget.held) == (True, 0)

    in_a_loop(test)


def test_a_body_that_is_given_up_as_it_may_exceed_lets_another_one_exceed():
    async def test(budget):
        await budget.take("first", "a", 100)
        second = asyncio.create_task(budget.take("second", "b", 150))
        await turns()
        budget.give_back("first", "a", 100)
        second.cancel()
        await asyncio.wait([second])
        await budget.take("third", "c", 150)
        assert (second.cancelled(), budget.held) == (True, 150)

    in_a_loop(test)
