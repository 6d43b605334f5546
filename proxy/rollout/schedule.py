"""Schedule of a campaign: brown-outs, the sunset, and headers that announce them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from proxy.headers import Headers
from proxy.rollout.rule_schema import BrownOut, Campaign

_PERIODS: Final = {"day": timedelta(days=1), "week": timedelta(days=7)}


def brown_out_until(campaign: Campaign, now: datetime) -> datetime | None:
    """Return the end of the current brown-out; None outside brown-outs."""
    ends = (_end(brown_out, now) for brown_out in campaign.brown_outs)
    return max((end for end in ends if end is not None), default=None)


def _end(brown_out: BrownOut, now: datetime) -> datetime | None:
    start = brown_out.start
    if brown_out.every is not None and now > start:
        period = _PERIODS[brown_out.every]
        start += (now - start) // period * period
    if start > now or (brown_out.until is not None and start >= brown_out.until):
        return None
    end = start + timedelta(minutes=brown_out.minutes)
    return end if now < end else None


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
