"""
What shadows may cost in a day, in tokens, by rule.

Spent is what workers have written down, also those of yesterday's process if
it was the same day; each writes its own account and reads the others'.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from proxy.workers.shared_state import SharedState

_TOPIC: Final = "budget"
_POLL_SECONDS: Final = 0.5
_TWO_DAYS: Final = 2 * 86_400


class Account(msgspec.Struct, frozen=True):
    """What one worker spent on one day."""

    day: str
    tokens: dict[str, float]
    """By rule."""


_ACCOUNT: Final = msgspec.json.Decoder(Account)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


class DailyTokenBudget:
    """The account of this worker, beside those of the others."""

    def __init__(self, today: Callable[[], str] = _today) -> None:
        self._today = today
        self._day = today()
        self._spent = defaultdict[str, float](float)
        self._of_others = defaultdict[str, float](float)

    def reserve(self, rule: str, estimate: float, daily_tokens: int) -> bool:
        """Set tokens aside, if that many are left today."""
        self._start_new_day()
        if self._spent[rule] + self._of_others[rule] + estimate > daily_tokens:
            return False
        self._spent[rule] += estimate
        return True

    def settle(self, rule: str, estimate: float, used: float) -> None:
        """Put back what was set aside and not used, or take what was used beyond."""
        self._start_new_day()
        self._spent[rule] = max(0.0, self._spent[rule] + used - estimate)

    def account(self) -> Account:
        """For the others to read."""
        self._start_new_day()
        return Account(self._day, dict(self._spent))

    def restore(self, accounts: Iterable[Account]) -> None:
        """Take in what the others have spent today."""
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
    """The same, kept on the workers' noticeboard."""

    def __init__(self, shared_state: SharedState) -> None:
        super().__init__()
        self._shared_state = shared_state

    async def keep_up(self) -> None:
        """Exchange accounts with the other workers, for as long as the process serves."""
        self._shared_state.expire(_TOPIC, older_than=_TWO_DAYS)
        written: Account | None = None
        while True:
            account = self.account()
            if account.tokens and account != written:
                self._shared_state.publish(_TOPIC, msgspec.json.encode(account))
                written = account
            self.restore(_accounts(self._shared_state.from_peers(_TOPIC)))
            await asyncio.sleep(_POLL_SECONDS)


def _accounts(notes: Iterable[tuple[bytes, float]]) -> Iterator[Account]:
    for note, _ in notes:
        try:
            yield _ACCOUNT.decode(note)
        except ValueError:  # that of msgspec, or of UTF-8
            continue  # of another version of Holdover
