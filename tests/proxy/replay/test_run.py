"""A replay on its way: how many at a time, within which budget, and what an interruption leaves."""

import asyncio
from typing import Any

import pytest

from proxy.replay import Run, TokenBudget
from proxy.traffic.store.replay_results import RecordedExchange, ReplayResult, ReplayStore
from tests.proxy.replay.harness import stored
from tests.recorded_exchanges import exchange
from tests.waiting import PATIENCE_SECONDS

EXCHANGES = 40


@pytest.fixture
def store(tmp_path):
    with stored(tmp_path) as store:
        for number in range(EXCHANGES):
            store.add(exchange(number))
        yield store


class Counting:
    """Asks nobody; notes who is asked, and how many at a time."""

    def __init__(self, *, tokens: float = 20, most: int = EXCHANGES, together: int = 1) -> None:
        self.asked: list[str] = []
        self.at_a_time = self.most_at_a_time = 0
        self.is_at_rest = asyncio.Event()
        self._tokens = tokens
        self._most = most
        self._together = asyncio.Barrier(together)

    async def ask(self, recorded: RecordedExchange) -> ReplayResult:
        """At rest after so many: the next ones never come back."""
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        if len(self.asked) == self._most:
            self.is_at_rest.set()
            await asyncio.Event().wait()
        self.asked.append(recorded.record.id)
        await self._together.wait()
        self.at_a_time -= 1
        return ReplayResult(id=recorded.record.id, failure=None, comparison={}, tokens=self._tokens)


def run_of(store: Any, asker: Counting, *, budget: float | None = None, name: str = "r") -> Run:
    replay = ReplayStore(store, name)
    on_result: list[ReplayResult] = []
    return Run(
        store=replay,
        asker=asker,
        budget=TokenBudget(budget, replay.used()),
        concurrency=4,
        on_result=on_result.append,
    )


def kept(run: Run) -> set[str]:
    return {result.id for result in run.store.results()}


def test_everything_is_asked_once_and_kept_so_many_at_a_time(store):
    asker = Counting(together=4)
    run = run_of(store, asker)

    assert asyncio.run(run.run())
    assert sorted(asker.asked) == sorted(kept(run)) == [f"req_{n:04}" for n in range(EXCHANGES)]
    assert asker.most_at_a_time == 4


def test_every_result_that_is_kept_is_heard_of_once(store):
    on_result: list[ReplayResult] = []
    run = run_of(store, Counting())
    run.on_result = on_result.append
    asyncio.run(run.run())

    assert sorted(on_result, key=lambda result: result.id) == list(run.store.results())


def test_an_interruption_keeps_what_is_done_and_the_next_run_asks_the_rest(store):
    async def interrupted() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            running = group.create_task(run.run())
            await asker.is_at_rest.wait()
            running.cancel()

    asker = Counting(most=10)
    run = run_of(store, asker)
    asyncio.run(interrupted())

    assert kept(run) == set(asker.asked)
    assert len(kept(run)) == 10

    rest = Counting()
    again = run_of(store, rest)
    assert asyncio.run(again.run())
    assert sorted(asker.asked + rest.asked) == [f"req_{number:04}" for number in range(EXCHANGES)]


@pytest.mark.without_coverage
@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("budget", "tokens", "asked"),
    [
        (800, 20, 40),
        (799, 20, 39),
        (200, 20, 10),
        (200, 100, 2),  # what was used counts, not what was estimated
        (200, 1, EXCHANGES),
        (19, 20, 0),
        (0, 0, 0),
    ],
)
def test_a_budget_ends_it_before_the_next_would_pass_it(store, budget, tokens, asked):
    asker = Counting(tokens=tokens)
    run = run_of(store, asker, budget=budget)
    run.concurrency = 1

    assert asyncio.run(run.run()) is (asked == EXCHANGES)
    assert len(asker.asked) == len(kept(run)) == asked


def test_a_budget_is_for_all_runs_together(store):
    first, second = Counting(), Counting()
    asyncio.run(run_of(store, first, budget=100).run())
    is_whole = asyncio.run(run_of(store, second, budget=160).run())

    assert (len(first.asked), len(second.asked), is_whole) == (5, 3, False)


def test_what_is_on_its_way_is_waited_for_before_a_budget_ends_anything(store):
    """Each is estimated at 20 and comes to 1: as they come back, there is room for more."""
    asker = Counting(tokens=1)

    assert asyncio.run(run_of(store, asker, budget=60).run())
    assert len(asker.asked) == EXCHANGES


def test_a_store_that_fails_ends_it(store):
    class Full(ReplayStore):
        def keep(self, results: Any) -> None:
            raise OSError(f"{len(results)} are too many")

    run = run_of(store, Counting())
    run.store = Full(store, "r")

    with pytest.raises(OSError, match="are too many"):
        asyncio.run(run.run())
