import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count

import pytest

from proxy.admission import Admission, Limits
from proxy.errors import CallerTooBusy, TooBusy

WIDE = Limits(
    exchanges=100,
    exchanges_per_caller=100,
    waiting=100,
    max_wait=60,
    body_bytes=1000,
    body_bytes_per_caller=1000,
)


class Exchanges:
    """Exchanges that run until they are told to end, and the order in which they began."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.begun: list[str] = []
        self.first_has_begun = asyncio.Event()
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[float]] = {}

    def start(self, *names: str, size: int = 0) -> None:
        """Start exchanges; what stands before a space is the caller."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._run(name, size))

    def end(self, name: str) -> None:
        self._ends[name].set()

    async def _run(self, name: str, size: int) -> float:
        caller = name.partition(" ")[0]
        weight = 2 if caller == "heavy" else 1
        async with self.admission.slot(caller, size, weight) as slot:
            self.begun.append(name)
            self.first_has_begun.set()
            await self._ends[name].wait()
            return slot.waited_seconds


def in_a_loop(
    limits: Limits,
    test: Callable[[Exchanges], Awaitable[None]],
    *,
    is_late: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    async def run() -> None:
        exchanges = Exchanges(Admission(limits, is_late=is_late, clock=clock))
        async with asyncio.timeout(60):
            await test(exchanges)
        for name in exchanges.tasks:
            exchanges.end(name)
        await asyncio.wait(exchanges.tasks.values())
        assert (exchanges.admission.running, exchanges.admission.waiting) == (0, 0)
        assert exchanges.admission.bodies.held == 0

    asyncio.run(run())


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_what_nobody_waits_for_begins_at_once():
    async def test(exchanges):
        exchanges.start("a", "b")
        await turns(1)
        assert exchanges.begun == ["a", "b"]
        exchanges.end("a")
        assert await exchanges.tasks["a"] == 0

    in_a_loop(WIDE, test)


def test_beyond_the_limit_callers_take_turns():
    async def test(exchanges):
        exchanges.start("flood 0", "flood 1", "flood 2", "flood 3", "polite")
        await turns()
        assert exchanges.begun == ["flood 0", "flood 1"]
        exchanges.end("flood 0")
        await turns()
        exchanges.end("flood 1")
        await turns()
        assert exchanges.begun == ["flood 0", "flood 1", "polite", "flood 2"]
        exchanges.end("polite")
        await turns()
        exchanges.end("flood 2")
        assert await exchanges.tasks["flood 2"] > 0

    in_a_loop(replace(WIDE, exchanges=2), test)


def test_a_caller_of_double_weight_gets_two_turns_for_one_of_others():
    async def test(exchanges):
        exchanges.start("first")
        await turns()
        exchanges.start(*(f"a {number}" for number in range(6)))
        exchanges.start(*(f"heavy {number}" for number in range(6)))
        await turns()
        for _ in range(7):
            exchanges.end(exchanges.begun[-1])
            await turns()
        callers = [name.partition(" ")[0] for name in exchanges.begun[1:]]
        assert (callers.count("heavy"), callers.count("a")) in {(4, 3), (5, 2)}

    in_a_loop(replace(WIDE, exchanges=1), test)


def test_what_a_client_announces_and_cannot_send_costs_its_caller_no_turns():
    async def test(exchanges):
        exchanges.start("liar 0", size=10**18)
        await turns()
        exchanges.end("liar 0")
        await exchanges.tasks["liar 0"]
        exchanges.start("first", *(f"other {number}" for number in range(9)), "liar 1")
        await turns()
        for _ in range(4):
            exchanges.end(exchanges.begun[-1])
            await turns()
        assert "liar 1" in exchanges.begun

    in_a_loop(replace(WIDE, exchanges=1), test)


def test_a_caller_at_its_own_limit_keeps_nobody_else_waiting():
    async def test(exchanges):
        exchanges.start("flood 0", "flood 1", "polite")
        await turns()
        assert exchanges.begun == ["flood 0", "polite"]
        exchanges.end("flood 0")
        await turns()
        assert exchanges.begun == ["flood 0", "polite", "flood 1"]

    in_a_loop(replace(WIDE, exchanges_per_caller=1), test)


def test_a_caller_whose_requests_fill_half_of_the_queue_is_told_that_it_sends_too_many():
    async def test(exchanges):
        exchanges.start("flood 0", "flood 1", "flood 2", "flood 3")
        await turns()
        with pytest.raises(CallerTooBusy, match=r"as many requests .* \(3\)") as refused:
            await exchanges.tasks["flood 3"]
        assert refused.value.status == 429
        assert isinstance(exchanges.admission.refusal("flood"), CallerTooBusy)
        assert exchanges.admission.refusal("polite") is None

    in_a_loop(replace(WIDE, exchanges=1, exchanges_per_caller=1, waiting=4), test)


def test_in_a_full_queue_the_longest_line_makes_room_for_another_caller():
    async def test(exchanges):
        exchanges.start("a 0", "a 1", "a 2", "b 0", "c 0")
        await turns()
        exchanges.start("d 0")
        await turns()
        with pytest.raises(TooBusy):
            await exchanges.tasks["a 2"]
        for name in ("a 0", "a 1", "b 0", "c 0", "d 0"):
            exchanges.end(name)
        await asyncio.gather(*(exchanges.tasks[name] for name in ("a 1", "b 0", "c 0", "d 0")))

    in_a_loop(replace(WIDE, exchanges=1, waiting=4), test)


def test_in_a_queue_full_of_callers_with_one_request_each_the_newcomer_is_refused():
    async def test(exchanges):
        exchanges.start("a", "b", "c", "d")
        await turns()
        with pytest.raises(TooBusy, match="too many requests") as refused:
            await exchanges.tasks["d"]
        assert refused.value.status == 529

    in_a_loop(replace(WIDE, exchanges=1, waiting=2), test)


def test_who_waits_for_too_long_is_refused():
    async def test(exchanges):
        exchanges.start("a", "b")
        with pytest.raises(TooBusy, match=r"more than 0\.01 seconds"):
            await exchanges.tasks["b"]

    in_a_loop(replace(WIDE, exchanges=1, max_wait=0.01), test)


def test_who_leaves_while_waiting_takes_no_turn():
    async def test(exchanges):
        exchanges.start("a", "b", "c")
        await turns()
        exchanges.tasks["b"].cancel()
        exchanges.end("a")
        await turns()
        assert exchanges.begun == ["a", "c"]

    in_a_loop(replace(WIDE, exchanges=1), test)


def test_who_leaves_just_as_its_turn_comes_gives_it_to_the_next():
    async def test(exchanges):
        exchanges.start("a", "b", "c")
        await turns()
        exchanges.end("a")
        while exchanges.admission.waiting == 2:
            await turns(1)
        exchanges.tasks["b"].cancel()
        await turns()
        assert exchanges.begun == ["a", "c"]

    in_a_loop(replace(WIDE, exchanges=1), test)


def test_many_that_come_at_once_begin_in_several_turns_of_the_loop():
    async def test(exchanges):
        names = [f"a {number}" for number in range(100)]
        exchanges.start(*names)
        await turns(1)
        assert 1 <= len(exchanges.begun) < 100
        await turns(100)
        assert exchanges.begun == names

    in_a_loop(WIDE, test)


def test_while_turns_are_long_fewer_begin_in_each():
    slow = count(step=1)  # each look at the clock is a second later

    async def test(exchanges):
        exchanges.start(*(f"a {number}" for number in range(60)))
        await turns(12)
        before = len(exchanges.begun)
        await turns(10)
        assert len(exchanges.begun) - before <= 10

    in_a_loop(WIDE, test, clock=lambda: float(next(slow)))


def test_a_late_worker_begins_nothing_new_until_it_is_no_longer_late():
    late = [True]

    async def test(exchanges):
        exchanges.start("a")
        await turns(20)
        assert exchanges.begun == []
        late.clear()
        await exchanges.first_has_begun.wait()

    in_a_loop(WIDE, test, is_late=lambda: bool(late))


def test_who_has_left_and_does_not_know_it_yet_takes_no_turn_and_no_refusal():
    async def test(exchanges):
        admission = exchanges.admission
        exchanges.start("a", "b 0", "b 1")
        await turns()
        exchanges.tasks["b 1"].cancel()
        newcomer = admission.wait_for_turn("c", 1)
        newcomer.send(None)  # the place that it takes is that of "b 1"
        exchanges.tasks["b 0"].cancel()
        admission.end("a")
        admission._turn()
        assert exchanges.begun == ["a"]
        newcomer.close()
        admission.begin_now("a", 1)

    in_a_loop(replace(WIDE, exchanges=1, waiting=2, exchanges_per_caller=1), test)


def test_streams_are_counted_while_they_run():
    async def run() -> list[int]:
        admission, counts = Admission(WIDE), list[int]()
        async with admission.slot("a", 0) as stream, admission.slot("a", 0):
            stream.count_as_stream()
            counts.append(admission.streams)
        return [*counts, admission.streams]

    assert asyncio.run(run()) == [1, 0]
