import asyncio
from contextlib import suppress
from itertools import chain, count, pairwise, repeat

import pytest

from proxy.cooperative import CooperativeRunner


class Clock:
    """Goes on by so much with each look at it."""

    def __init__(self, seconds_a_look: float) -> None:
        self._looks = count()
        self._seconds_a_look = seconds_a_look

    def __call__(self) -> float:
        return next(self._looks) * self._seconds_a_look


class Loop:
    """Counts how often the event loop has turned."""

    def __init__(self) -> None:
        self.turns = 0

    async def count(self):
        while True:
            self.turns += 1
            await asyncio.sleep(0)


def steps(number, moments=None, loop=None):
    for _ in range(number):
        if moments is not None:
            moments.append(loop.turns)
        yield
    return "done"


async def counted(work):
    """Run some work beside a loop that is counted."""
    loop = Loop()
    counting = asyncio.ensure_future(loop.count())
    try:
        return await work(loop)
    finally:
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting


def seen_by(seconds_a_look, number=5):
    """At which turn of the loop each step was taken."""

    async def work(loop):
        moments: list[int] = []
        said = await CooperativeRunner(Clock(seconds_a_look)).run(steps(number, moments, loop))
        assert said == "done"
        return moments

    return asyncio.run(counted(work))


def test_as_long_as_there_is_time_work_goes_on_in_one_turn():
    assert set(seen_by(0)) == {0}
    assert set(seen_by(0.00025)) == {0}


def test_as_soon_as_it_is_time_the_loop_turns():
    moments = seen_by(0.01)

    assert all(later > earlier for earlier, later in pairwise(moments))


def test_a_turn_ends_by_the_clock_and_not_by_the_number_of_steps():
    moments = seen_by(0.0005, number=12)  # a step a look, so four of them are a turn

    assert len(set(moments)) == 3


def test_things_are_handed_out_and_others_have_their_turn_in_between():
    async def work(loop):
        hurried, calm = CooperativeRunner(Clock(0.01)), CooperativeRunner(Clock(0))
        return (
            [(thing, loop.turns) async for thing in calm.iterate("abc")],
            [(thing, loop.turns) async for thing in hurried.iterate("abc")],
        )

    calm, hurried = asyncio.run(counted(work))

    assert [thing for thing, _ in calm] == [thing for thing, _ in hurried] == ["a", "b", "c"]
    assert len({turn for _, turn in calm}) == 1
    assert len({turn for _, turn in hurried}) == 3


def test_however_many_work_at_once_only_one_of_them_does_in_a_turn():
    async def work(loop):
        turns = CooperativeRunner(Clock(0.01))
        moments: list[list[int]] = [[] for _ in range(5)]
        async with asyncio.TaskGroup() as group:
            for seen in moments:
                group.create_task(turns.run(steps(20, seen, loop)))
        return moments

    moments = asyncio.run(counted(work))
    after_the_first_step = [moment for seen in moments for moment in seen[1:]]

    assert len(set(after_the_first_step)) == len(after_the_first_step)
    # And none waits for another to be done with all of it.
    assert max(min(seen[1:]) for seen in moments) < min(max(seen) for seen in moments)


def test_who_comes_while_others_wait_takes_one_step_and_waits_behind_them():
    async def work(loop):
        clock = chain([0.0], repeat(1.0))  # the first slice is over at once, and no later one
        turns = CooperativeRunner(clock.__next__)
        late: list[int] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(turns.run(steps(5)))
            await asyncio.sleep(0)
            await turns.run(steps(5, late, loop))
        return late

    late = asyncio.run(counted(work))

    assert late[1] > late[0]
    assert set(late[1:]) == {late[1]}


def test_what_goes_wrong_in_a_step_goes_wrong_where_the_work_is_wanted():
    def broken():
        yield
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(CooperativeRunner().run(broken()))


def test_who_gives_up_waiting_keeps_nobody_from_working():
    async def run():
        turns = CooperativeRunner(Clock(0.01))
        given_up = asyncio.ensure_future(turns.run(steps(1000)))
        await asyncio.sleep(0)
        given_up.cancel()
        return await turns.run(steps(3))

    assert asyncio.run(run()) == "done"
