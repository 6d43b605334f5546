"""
Daily token budgets of the rules' shadow requests.

Each worker publishes its own account and reads those of the others, including
accounts that processes which have ended left on the same day.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from proxy.workers.shared_state import BUDGETS, SharedState

_POLL_SECONDS: Final = 0.5
_TWO_DAYS: Final = 2 * 86_400


class Account(msgspec.Struct, frozen=True):
    """The tokens that one worker spent on one day."""

    day: str
    tokens: dict[str, float]
    """Tokens spent, by rule."""


_ACCOUNT: Final = msgspec.json.Decoder(Account)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


class DailyTokenBudget:
    """The budget as one worker knows it: its own account and those of the others."""

    def __init__(self, today: Callable[[], str] = _today) -> None:
        self._today = today
        self._day = today()
        self._spent = defaultdict[str, float](float)
        self._of_others = defaultdict[str, float](float)

    def reserve(self, rule: str, estimate: float, daily_tokens: int) -> bool:
        """Reserve tokens and return True, or return False if too few are left today."""
        self._start_new_day()
        if self._spent[rule] + self._of_others[rule] + estimate > daily_tokens:
            return False
        self._spent[rule] += estimate
        return True

    def settle(self, rule: str, estimate: float, used: float) -> None:
        """Correct a reservation of `estimate` tokens to the number used."""
        self._start_new_day()
        self._spent[rule] = max(0.0, self._spent[rule] + used - estimate)

    def account(self) -> Account:
        """Return this worker's account for publication."""
        self._start_new_day()
        return Account(self._day, dict(self._spent))

    def restore(self, accounts: Iterable[Account]) -> None:
        """Replace what is known of the other workers' spending."""
        self._start_new_day()
        self._of_others.clear()
        for account in accounts:
            for rule, tokens in account.tokens.items() if account.day == self._day else ():
                self._of_others[rule] += tokens

    def _start_new_day(self) -> None:
        if (day := self._today()) != self._day:
            self._day = day
            self._spent.clear()
            self._of_others.clear()


class SharedDailyTokenBudget(DailyTokenBudget):
    """A daily budget that workers share through files."""

    def __init__(self, shared_state: SharedState) -> None:
        super().__init__()
        self._shared_state = shared_state

    async def keep_up(self) -> None:
        """Exchange accounts with the other workers, for as long as the process serves."""
        self._shared_state.expire(BUDGETS, older_than=_TWO_DAYS)
        written: Account | None = None
        while True:
            account = self.account()
            if account.tokens and account != written:
                self._shared_state.publish(BUDGETS, msgspec.json.encode(account))
                written = account
            accounts: list[Account] = []
            for note in self._shared_state.from_peers(BUDGETS):
                with suppress(ValueError):  # another version of Holdover wrote it
                    accounts.append(_ACCOUNT.decode(note))
            self.restore(accounts)
            await asyncio.sleep(_POLL_SECONDS)
