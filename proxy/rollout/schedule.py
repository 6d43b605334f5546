"""Schedule of a campaign: brown-outs, the sunset, and headers that announce them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import islice
from typing import Final

from proxy.headers import Headers
from proxy.rollout.rule_schema import BrownOut, Campaign

_PERIODS: Final = {"day": timedelta(days=1), "week": timedelta(days=7)}


def brown_out_until(campaign: Campaign, now: datetime) -> datetime | None:
    """Return the end of the current brown-out; None outside brown-outs."""
    current = [
        end
        for brown_out in campaign.brown_outs
        for start, end in islice(_periods(brown_out, now), 1)
        if start <= now < end and (brown_out.until is None or start < brown_out.until)
    ]
    return max(current, default=None)


def next_brown_outs(
    campaign: Campaign, now: datetime, count: int
) -> list[tuple[datetime, datetime]]:
    """Return begin and end of current brown-outs and of the next ones, at most `count`."""
    found: set[tuple[datetime, datetime]] = set()
    for brown_out in campaign.brown_outs:
        # The first may have ended already.
        for start, end in islice(_periods(brown_out, now), count + 1):
            is_last = brown_out.until is not None and start >= brown_out.until
            if is_last or is_over(campaign, start):
                break
            if now < end:
                found.add((start, end))
    return sorted(found)[:count]


def _periods(brown_out: BrownOut, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield begin and end of a brown-out's periods, from the last that began before `now` on."""
    start, lasts = brown_out.start, timedelta(minutes=brown_out.minutes)
    every = None if brown_out.every is None else _PERIODS[brown_out.every]
    if every is not None and now > start:
        start += (now - start) // every * every
    with suppress(OverflowError):  # the calendar ends
        yield start, start + lasts
        while every is not None:
            start += every
            yield start, start + lasts


def is_over(campaign: Campaign, now: datetime) -> bool:
    """Return True once the sunset has passed."""
    return campaign.sunset is not None and campaign.sunset <= now


def campaign_headers(campaign: Campaign) -> Headers:
    """Return the headers `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`."""
    headers: Headers = []
    if campaign.deprecated is not None:
        headers.append((b"deprecation", b"@%d" % campaign.deprecated.timestamp()))
    if campaign.sunset is not None:
        moment = format_datetime(campaign.sunset.astimezone(UTC), usegmt=True)
        headers.append((b"sunset", moment.encode()))
    if campaign.link is not None:
        target = b"<" + campaign.link.encode() + b">"
        relations = [(b"deprecation", campaign.deprecated), (b"sunset", campaign.sunset)]
        links = [target + b'; rel="' + name + b'"' for name, moment in relations if moment]
        headers.append((b"link", b", ".join(links or [target + b'; rel="deprecation"'])))
    return headers
