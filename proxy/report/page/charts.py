"""
Plots as inline SVG.

Across, everything is in percent, so that a plot is as wide as its place and
its words are as large as all others, on a phone too; down, it is in pixels.
Colours are classes of the style sheet, for light, dark and paper.
"""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate
from typing import Final

from markupsafe import Markup

from proxy.report.formatting import day, number, one_or_many
from proxy.report.model import Bucket, Percentiles, Volume
from proxy.report.phrases import OUTCOMES

_HEIGHT: Final = 190
_TOP: Final = 18
_BASE: Final = 164
_FULLEST: Final = 0.72  # of a step; the rest is air between the bars
_WIDEST: Final = 5  # of a hundred: a lonely bar is no wall
_TEN: Final = 10
_ENDS: Final = (10, 12, 14, 16, 20, 24, 30, 40, 50, 60, 80, 100)
_ROW: Final = 16
_STEP_NAMES: Final = {"minute": "%H:%M", "hour": "%a %H:%M", "day": "%a"}

_PLOT: Final = Markup(
    '<svg class="plot" width="100%" height="{height}" role="img" aria-labelledby="{id}-t {id}-d">'
    '<title id="{id}-t">{title}</title><desc id="{id}-d">{desc}</desc>{inside}</svg>'
)
_INLINE: Final = Markup(
    '<svg class="{css}" width="100%" height="{height}" role="img" aria-label="{label}">'
    "{inside}</svg>"
)
_BAR: Final = Markup(
    '<rect class="{css}" x="{x:.3f}%" y="{y:.1f}" width="{w:.3f}%" height="{h:.1f}"/>'
)
_LINE: Final = Markup(
    '<line class="{css}" x1="{x1:.3f}%" x2="{x2:.3f}%" y1="{y1:.1f}" y2="{y2:.1f}"/>'
)
_DOT: Final = Markup('<circle class="{css}" cx="{x:.3f}%" cy="{y}" r="4"/>')
_WORD: Final = Markup('<text class="{css}" x="{x}" y="{y}">{text}</text>')


def volume(given: Volume) -> Markup:
    """Exchanges over time, stacked by how they ended."""
    most = max(bucket.exchanges for bucket in given.buckets)
    top = _round_up(most)
    step = 100 / len(given.buckets)
    width = min(step * _FULLEST, _WIDEST)
    bars = (
        bar
        for index, bucket in enumerate(given.buckets)
        for bar in _stack(bucket, x=step * (index + 0.5) - width / 2, w=width, top=top)
    )
    fullest = max(given.buckets, key=lambda bucket: bucket.exchanges)
    return _PLOT.format(
        id="volume",
        height=_HEIGHT,
        title=f"Requests per {given.step}",
        desc=f"{one_or_many(sum(one.exchanges for one in given.buckets), 'request')} over "
        f"{one_or_many(len(given.buckets), given.step)}; at most {number(most)} per "
        f"{given.step}, on {_moment(fullest.begin, given)}.",
        inside=Markup("").join([*_grid(top), *bars, *_times(given)]),
    )


def share(value: float, label: str, *, css: str = "good") -> Markup:
    """A bar that is full at 1."""
    inside = _BAR.format(css="track", x=0, y=4, w=100, h=8) + _BAR.format(
        css=css, x=0, y=4, w=100 * value, h=8
    )
    return _INLINE.format(css="bar", height=_ROW, label=label, inside=inside)


def span(given: Percentiles, longest: float, label: str) -> Markup:
    """From the middle of some durations to their 95th percentile, of `longest`."""
    # The dots keep clear of the edges, where half of them would be cut off.
    p50, p95 = (3 + 94 * value / longest for value in (given.p50, given.p95))
    middle = _ROW // 2
    return _INLINE.format(
        css="bar",
        height=_ROW,
        label=label,
        inside=_LINE.format(css="axis", x1=0, x2=100, y1=middle, y2=middle)
        + _LINE.format(css="span", x1=p50, x2=p95, y1=middle, y2=middle)
        + _DOT.format(css="p50", x=p50, y=middle)
        + _DOT.format(css="p95", x=p95, y=middle),
    )


def similarity(shadow: float, control: float | None, label: str) -> Markup:
    """How alike a shadow's answers are, and, as a mark, the noise floor."""
    inside = _BAR.format(css="track", x=0, y=4, w=100, h=8)
    inside += _BAR.format(css="shadow", x=0, y=4, w=100 * shadow, h=8)
    if control is not None:
        # Half a percent inside, so that a mark at 1 is seen whole.
        inside += _LINE.format(css="floor", x1=99.5 * control, x2=99.5 * control, y1=0, y2=_ROW)
    return _INLINE.format(css="bar", height=_ROW, label=label, inside=inside)


def _stack(bucket: Bucket, *, x: float, w: float, top: int) -> list[Markup]:
    counts = [(name, getattr(bucket.outcomes, name)) for name in OUTCOMES]
    ends = accumulate(count for _, count in counts)
    scale = (_BASE - _TOP) / top
    return [
        _BAR.format(css=name, x=x, y=_BASE - end * scale, w=w, h=count * scale)
        for (name, count), end in zip(counts, ends, strict=True)
        if count
    ]


def _grid(top: int) -> list[Markup]:
    lines = []
    for part in (0, 0.5, 1):
        y = _BASE - part * (_BASE - _TOP)
        lines.append(_LINE.format(css="grid" if part else "axis", x1=0, x2=100, y1=y, y2=y))
        if part and (top * part) % 1 == 0:
            lines.append(_WORD.format(css="from", x=0, y=y - 4, text=number(top * part)))
    return lines


def _times(given: Volume) -> list[Markup]:
    first, last = (_moment(given.buckets[end].begin, given) for end in (0, -1))
    if len(given.buckets) == 1:
        return [_WORD.format(css="middle", x="50%", y=_HEIGHT - 8, text=first)]
    return [
        _WORD.format(css="from", x=0, y=_HEIGHT - 8, text=first),
        _WORD.format(css="to", x="100%", y=_HEIGHT - 8, text=last),
    ]


def _moment(begin: str, given: Volume) -> str:
    at = datetime.fromisoformat(begin)
    return f"{at:{_STEP_NAMES[given.step]}}, {day(begin)}"


def _round_up(most: int) -> int:
    """To a number that an axis may end with."""
    if most <= _TEN:
        return most
    power = int("1" + "0" * (len(str(most)) - 2))
    return next(ten * power for ten in _ENDS if ten * power >= most)
