"""The campaigns' calendar: when callers are refused for minutes, and from when on for good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from proxy.rollout import is_over, next_brown_outs
from proxy.rollout.rule_schema import RuleSettings

WEEKS: Final = 4
"""Weeks that the calendar shows, from now on."""
_MOST_BROWN_OUTS: Final = 7 * WEEKS + 1
"""Of one rule: one a day, and one that is going on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Something that a campaign does at a time."""

    rule: str
    what: str
    begins: datetime
    ends: datetime | None
    """End of a brown-out; None for what lasts."""
    is_now: bool

    @property
    def time(self) -> str:
        """Begin and end, in UTC."""
        begins = self.begins.astimezone(UTC)
        if self.ends is None:
            return f"{begins:%a %d %b %Y, %H:%M}"
        ends = self.ends.astimezone(UTC)
        same_day = begins.date() == ends.date()
        return f"{begins:%a %d %b %Y, %H:%M} to {ends:{'%H:%M' if same_day else '%a %d %b, %H:%M'}}"


def calendar_of(rules: Sequence[RuleSettings], now: datetime) -> list[Occasion]:
    """Return what goes on now and in the next weeks, in the order of time."""
    occasions = (occasion for rule in rules for occasion in _occasions(rule, now))
    return sorted(occasions, key=lambda each: (each.begins, each.rule))


def _occasions(rule: RuleSettings, now: datetime) -> Iterator[Occasion]:
    campaign, until = rule.campaign, now + timedelta(weeks=WEEKS)
    for begins, ends in next_brown_outs(campaign, now, _MOST_BROWN_OUTS * len(campaign.brown_outs)):
        if begins < until:
            yield Occasion(
                rule=rule.name,
                what="Brown-out: requests are refused",
                begins=begins,
                ends=ends,
                is_now=begins <= now,
            )
    if campaign.deprecated is not None and campaign.deprecated > now:
        yield Occasion(
            rule=rule.name,
            what="Deprecation, as answers announce it",
            begins=campaign.deprecated,
            ends=None,
            is_now=False,
        )
    if campaign.sunset is not None:
        yield Occasion(
            rule=rule.name,
            what="Sunset: every request gets 410 from then on",
            begins=campaign.sunset,
            ends=None,
            is_now=is_over(campaign, now),
        )
