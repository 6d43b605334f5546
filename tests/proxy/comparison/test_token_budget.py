import asyncio
import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.comparison.token_budget import Account, DailyTokenBudget, SharedDailyTokenBudget
from proxy.workers.shared_state import SharedState
from tests.waiting import PATIENCE_SECONDS, STEP_SECONDS

TODAY, TOMORROW = "2026-09-01", "2026-09-02"


class Calendar:
    """A day that a test can turn."""

    def __init__(self) -> None:
        self.day = TODAY

    def __call__(self) -> str:
        return self.day


def test_tokens_are_set_aside_until_there_are_none_left():
    budget = DailyTokenBudget(Calendar())

    assert budget.reserve("r", 60, 100)
    assert not budget.reserve("r", 41, 100)
    assert budget.reserve("r", 40, 100)
    assert budget.account() == Account(TODAY, {"r": 100})


def test_each_rule_has_its_own():
    budget = DailyTokenBudget(Calendar())
    budget.reserve("a", 100, 100)

    assert budget.reserve("b", 100, 100)


@pytest.mark.parametrize(("used", "left"), [(20, 80), (60, 40), (90, 10), (0, 100), (130, 0)])
def test_what_was_not_used_is_put_back_and_what_was_used_beyond_is_taken(used, left):
    budget = DailyTokenBudget(Calendar())
    budget.reserve("r", 60, 100)

    budget.settle("r", 60, used)

    assert not budget.reserve("r", left + 1, 100)
    assert budget.reserve("r", left, 100) is (used <= 100)


def test_a_new_day_begins_with_nothing_spent():
    calendar = Calendar()
    budget = DailyTokenBudget(calendar)
    budget.reserve("r", 100, 100)
    budget.restore([Account(TODAY, {"r": 50})])
    calendar.day = TOMORROW

    assert budget.account() == Account(TOMORROW, {})
    assert budget.reserve("r", 100, 100)


@pytest.mark.parametrize(("used", "spent"), [(60, 50), (90, 80)])
def test_what_was_set_aside_yesterday_costs_today_what_was_used_beyond(used, spent):
    calendar = Calendar()
    budget = DailyTokenBudget(calendar)
    budget.reserve("r", 60, 100)
    calendar.day = TOMORROW
    budget.reserve("r", 50, 100)

    budget.settle("r", 60, used)

    assert budget.account() == Account(TOMORROW, {"r": spent})


def test_what_others_have_spent_today_is_spent():
    budget = DailyTokenBudget(Calendar())
    budget.restore(
        [
            Account(TODAY, {"r": 30, "s": 5}),
            Account(TODAY, {"r": 30}),
            Account("2026-08-31", {"r": 9}),
        ]
    )

    assert not budget.reserve("r", 41, 100)
    assert budget.reserve("r", 40, 100)


def test_others_are_heard_anew_each_time():
    budget = DailyTokenBudget(Calendar())
    budget.restore([Account(TODAY, {"r": 90})])
    budget.restore([Account(TODAY, {"r": 10})])

    assert budget.reserve("r", 90, 100)


@given(
    steps=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), max_size=12),
    daily_tokens=st.integers(1, 200),
)
@example(steps=[(100, 0), (1, 0)], daily_tokens=100)
def test_one_worker_never_sets_aside_more_than_a_day_may_cost(steps, daily_tokens):
    """Of each reservation no more is used than was set aside, as estimates are meant to be."""
    budget, waiting = DailyTokenBudget(Calendar()), list[int]()
    total_used = 0
    for estimate, used in steps:
        if budget.reserve("r", estimate, daily_tokens):
            waiting.append(estimate)
        set_aside = budget.account().tokens.get("r", 0)
        assert set_aside == total_used + sum(waiting) <= daily_tokens
        if waiting and used % 2:
            settled = waiting.pop(0)
            budget.settle("r", settled, min(used, settled))
            total_used += min(used, settled)


def kept_up(*budgets: SharedDailyTokenBudget) -> None:
    """Let each exchange accounts once: what it does before it first waits."""

    async def once(budget: SharedDailyTokenBudget) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(budget.keep_up(), 0.001)

    for budget in budgets:
        asyncio.run(once(budget))


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def shared(directory: Path) -> SharedDailyTokenBudget:
    return SharedDailyTokenBudget(SharedState(directory))


def test_workers_share_what_a_day_may_cost(tmp_path: Path):
    one, other = shared(tmp_path), shared(tmp_path)
    one.reserve("r", 70, 100)
    kept_up(one, other)

    assert not other.reserve("r", 31, 100)
    assert other.reserve("r", 30, 100)


def test_a_restart_gives_nobody_a_new_budget(tmp_path: Path):
    before = shared(tmp_path)
    before.reserve("r", 70, 100)
    kept_up(before)

    after = shared(tmp_path)
    kept_up(after)

    assert not after.reserve("r", 31, 100)


def test_who_has_spent_nothing_writes_nothing(tmp_path: Path):
    kept_up(shared(tmp_path))

    assert list(tmp_path.iterdir()) == []


class Counting(SharedState):
    """A noticeboard that knows how often it was written to and read."""

    pins = looks = 0

    def has_been_read_since(self, looks: int) -> bool:
        return self.looks > looks

    def publish(self, topic: str, note: bytes) -> None:
        self.pins += 1
        super().publish(topic, note)

    def from_peers(self, topic: str, *, within: float = math.inf) -> list[bytes]:
        self.looks += 1
        return super().from_peers(topic, within=within)


def test_an_account_is_written_again_when_it_has_changed_and_only_then(tmp_path: Path):
    async def pins() -> list[int]:
        shared_state = Counting(tmp_path)
        budget = SharedDailyTokenBudget(shared_state)
        keeping = asyncio.ensure_future(budget.keep_up())
        found = []
        for tokens in (0, 10, 0, 5):
            if tokens:
                budget.reserve("r", tokens, 100)
            looks = shared_state.looks
            await until(partial(shared_state.has_been_read_since, looks))
            found.append(shared_state.pins)
        keeping.cancel()
        return found

    assert asyncio.run(pins()) == [0, 1, 1, 2]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(STEP_SECONDS)


def test_accounts_of_two_days_ago_are_swept_away_and_strange_ones_passed_over(tmp_path: Path):
    shared_state = SharedState(tmp_path)
    shared_state.write("budget/good", msgspec.json.encode(Account(today(), {"r": 70})))
    shared_state.write("budget/newer", b'{"day": 5}')
    shared_state.write("budget/old", msgspec.json.encode(Account("2026-08-01", {"r": 70})))
    long_ago = time.time() - 2 * 86_400 - 1
    os.utime(tmp_path / "budget" / "old", (long_ago, long_ago))
    budget = shared(tmp_path)

    kept_up(budget)

    assert not budget.reserve("r", 31, 100)
    assert {name for name, _, _ in shared_state.read("budget")} == {"good", "newer"}
