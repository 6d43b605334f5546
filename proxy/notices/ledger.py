"""
Decides when a problem is worth a notice: pure, the caller brings the problems and the time.

A problem is announced when it begins and when it has been over for a while. There is at most one
notice of a kind a minute: what begins or ends meanwhile is told together by the next one, and
what has begun and ended again is only counted in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from proxy.notices.kinds import KINDS, Problem

Key: TypeAlias = tuple[str, str]
"""Kind and subject of a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long is waited for what, in seconds."""

    look: float = 1
    """Between two looks at the problems."""
    over: float = 10
    """Until a problem that was not seen any more counts as over."""
    between: float = 60
    """Between two notices of a kind."""
    retry: float = 1
    """Before a notice is sent for the second time; the wait doubles each time."""
    longest_retry: float = 60
    give_up: float = 600
    """Age at which a notice is dropped."""
    attempt: float = 10
    """For one attempt to send a notice."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """Problems of one kind that have begun, or have ended, for one notice to tell."""

    kind: str
    state: Literal["began", "ended"]
    problems: tuple[Problem, ...]
    changes: int
    """How often problems of the kind have begun or ended since the announcement before."""


@dataclass(slots=True)
class Ledger:
    """The problems that somebody was told of, and what has been seen since."""

    pace: Pace
    told: dict[Key, Problem] = field(default_factory=dict[Key, Problem])
    """The problems whose beginning was announced, and whose end was not."""
    _since: dict[Key, float] = field(default_factory=dict[Key, float])
    """When each problem that is there was seen first."""
    _last_seen: dict[Key, float] = field(default_factory=dict[Key, float])
    """When each problem that was told and is not there was seen last."""
    _announced: dict[str, float] = field(default_factory=dict[str, float])
    """When the last announcement of each kind was made."""
    _changes: dict[str, int] = field(default_factory=dict[str, int])

    def look(self, problems: Iterable[Problem], now: float) -> list[Announcement]:
        """Return what has to be announced now that these are all the problems."""
        present = {(each.kind, each.subject): each for each in problems}
        self._compare(present, now)
        announcements: list[Announcement] = []
        for kind in KINDS:
            began = [
                key
                for key, since in self._since.items()
                if key[0] == kind
                and key not in self.told
                and now - since >= KINDS[kind].lasting_seconds
            ]
            ended = [
                key
                for key, last in self._last_seen.items()
                if key[0] == kind and now - last >= self.pace.over
            ]
            last = self._announced.get(kind)
            if not (began or ended) or (last is not None and now - last < self.pace.between):
                continue
            if began:
                self.told |= {key: present[key] for key in began}
                about = tuple(present[key] for key in began)
            else:
                about = tuple(self.told.pop(key) for key in ended)
                for key in ended:
                    del self._last_seen[key]
            self._announced[kind] = now
            changes = self._changes.pop(kind, 0)
            announcements.append(Announcement(kind, "began" if began else "ended", about, changes))
        return announcements

    def forget(self, keys: Iterable[Key]) -> None:
        """Take back that these were told, because no notice arrived: what lasts is told again."""
        for key in keys:
            self.told.pop(key, None)
            self._last_seen.pop(key, None)

    def _compare(self, present: Mapping[Key, Problem], now: float) -> None:
        """Note what has begun and what has ended since the last look."""
        for key in present.keys() - self._since.keys():
            self._since[key] = now
            self._count(key[0])
        for key in self._since.keys() - present.keys():
            del self._since[key]
            self._count(key[0])
        for key in present.keys() & self._last_seen.keys():
            del self._last_seen[key]
        for key in self.told.keys() - present.keys():
            self._last_seen.setdefault(key, now)

    def _count(self, kind: str) -> None:
        self._changes[kind] = self._changes.get(kind, 0) + 1
