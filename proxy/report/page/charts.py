"""
Draw plots as inline SVG.

Horizontal positions are percentages, so that a plot fills its place while its
text keeps the page's size, on phones too; vertical positions are pixels.
Colours are classes of the style sheet, with light, dark and print variants.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Final

from markupsafe import Markup

from proxy.report.agreement import AGREEMENT, RuleAgreement
from proxy.report.burndown import MAX_SERIES, Burndown
from proxy.report.formatting import day, number, one_or_many, step_label
from proxy.report.model import Percentiles, Step, Volume
from proxy.report.phrases import OUTCOMES

SERIES: Final = tuple(f"series-{number}" for number in range(1, MAX_SERIES + 1))
"""Classes of the style sheet for callers that are shown one by one."""
_HEIGHT: Final = 190
_TOP: Final = 18
_BASE: Final = 164
_MAX_BAR_WIDTH: Final = 0.72  # as a share of a step; the rest is space between the bars
_MAX_BAR_PERCENT: Final = 5  # of the plot, so that a single bar does not look like a wall
_MAX_UNROUNDED: Final = 10
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
    """Draw exchanges over time as bars, stacked by outcome."""
    most = max(bucket.exchanges for bucket in given.buckets)
    top = _round_up(most)
    outcomes = [
        [(name, getattr(bucket.outcomes, name)) for name in OUTCOMES] for bucket in given.buckets
    ]
    fullest = max(given.buckets, key=lambda bucket: bucket.exchanges)
    return _PLOT.format(
        id="volume",
        height=_HEIGHT,
        title=f"Requests per {given.step}",
        desc=f"{one_or_many(sum(one.exchanges for one in given.buckets), 'request')} over "
        f"{one_or_many(len(given.buckets), given.step)}; at most {number(most)} per "
        f"{given.step}, on {_moment(fullest.begin, given)}.",
        inside=Markup("").join([*_grid(top), *_bars(outcomes, top), *_times(given)]),
    )


def burndown(given: Burndown) -> Markup:
    """Draw the requests of each day as bars, stacked by caller, the largest at the bottom."""
    most = max(day.requests for day in given.days)
    top = _round_up(most)
    counts = [
        [*zip(SERIES, each.counts, strict=False), ("others", each.others)] for each in given.days
    ]
    first, last = given.days[0], given.days[-1]
    ends = _ends(first.begin, last.begin, "day")
    return _PLOT.format(
        id="burndown",
        height=_HEIGHT,
        title="Requests per day, by caller",
        desc=f"{number(first.requests)} on {day(first.begin)}, {number(last.requests)} on "
        f"{day(last.begin)}; at most {number(most)}.",
        inside=Markup("").join([*_grid(top), *_bars(counts, top), *ends]),
    )


def agreement(given: RuleAgreement, name: str) -> Markup:
    """
    Draw how shadows agreed over time as bars of shares, with marks for the noise floor.

    The bars are equal, similar, different and failed, from the bottom; the mark is at the share of
    controls that were equal or similar. `name` tells the plots of one page apart.
    """
    drawn: list[Markup] = []
    for (x, width), each in zip(_places(len(given.steps)), given.steps, strict=True):
        if each.shadow.total:
            counts = [(kind, getattr(each.shadow, kind)) for kind in AGREEMENT]
            drawn += _stacked(counts, x=x, w=width, top=each.shadow.total)
        if (floor := each.control.agreeing) is not None:
            y = _BASE - floor * (_BASE - _TOP)
            drawn.append(_LINE.format(css="floor", x1=x - 0.4, x2=x + width + 0.4, y1=y, y2=y))
    first, last = given.steps[0], given.steps[-1]
    total = sum(each.shadow.total for each in given.steps)
    return _PLOT.format(
        id=f"agreement-{name}",
        height=_HEIGHT,
        title=f"How shadows agreed, per {given.step}",
        desc=f"{one_or_many(total, 'shadow')} over {one_or_many(len(given.steps), given.step)}.",
        inside=Markup("").join(
            [*_grid(100, " %"), *drawn, *_ends(first.begin, last.begin, given.step)]
        ),
    )


def _ends(first: str, last: str, step: Step) -> list[Markup]:
    ends = [_WORD.format(css="from", x=0, y=_HEIGHT - 8, text=step_label(first, step))]
    if last != first:
        text = step_label(last, step)
        ends.append(_WORD.format(css="to", x="100%", y=_HEIGHT - 8, text=text))
    return ends


def share(value: float, label: str, *, css: str = "good") -> Markup:
    """Draw a bar whose length is a share from 0 to 1."""
    inside = _BAR.format(css="track", x=0, y=4, w=100, h=8) + _BAR.format(
        css=css, x=0, y=4, w=100 * value, h=8
    )
    return _INLINE.format(css="bar", height=_ROW, label=label, inside=inside)


def span(given: Percentiles, longest: float, label: str) -> Markup:
    """Draw a line from p50 to p95 on an axis from 0 to `longest`."""
    # Keep the dots off the edges, where half of them would be cut off.
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
    """Draw the similarity of a shadow's answers as a bar, with a mark for the noise floor."""
    inside = _BAR.format(css="track", x=0, y=4, w=100, h=8)
    inside += _BAR.format(css="shadow", x=0, y=4, w=100 * shadow, h=8)
    if control is not None:
        # Half a percent from the edge, so that a mark at 1 is fully visible.
        inside += _LINE.format(css="floor", x1=99.5 * control, x2=99.5 * control, y1=0, y2=_ROW)
    return _INLINE.format(css="bar", height=_ROW, label=label, inside=inside)


def timing(moments: Iterable[tuple[str, float]], total: float, label: str) -> Markup:
    """Draw a time from 0 to `total` as a bar that each moment ends a part of, by its class."""
    inside = _BAR.format(css="track", x=0, y=2, w=100, h=12)
    begin = 0.0
    for css, moment in sorted(moments, key=lambda each: each[1]):
        end = 100 * min(moment / total, 1) if total else 0.0
        inside += _BAR.format(css=css, x=begin, y=2, w=end - begin, h=12)
        begin = end
    return _INLINE.format(css="bar timing", height=_ROW, label=label, inside=inside)


def _places(count: int) -> list[tuple[float, float]]:
    """Return the left edge and the width of each of so many bars, in percent of the plot."""
    step = 100 / count
    width = min(step * _MAX_BAR_WIDTH, _MAX_BAR_PERCENT)
    return [(step * (index + 0.5) - width / 2, width) for index in range(count)]


def _bars(stacks: Sequence[Sequence[tuple[str, int]]], top: int) -> list[Markup]:
    """Draw a bar for each step, stacked from counts by class."""
    return [
        part
        for (x, width), counts in zip(_places(len(stacks)), stacks, strict=True)
        for part in _stacked(counts, x=x, w=width, top=top)
    ]


def _stacked(counts: Sequence[tuple[str, int]], *, x: float, w: float, top: int) -> list[Markup]:
    ends = accumulate(count for _, count in counts)
    scale = (_BASE - _TOP) / top
    return [
        _BAR.format(css=name, x=x, y=_BASE - end * scale, w=w, h=count * scale)
        for (name, count), end in zip(counts, ends, strict=True)
        if count
    ]


def _grid(top: int, unit: str = "") -> list[Markup]:
    lines = []
    for part in (0, 0.5, 1):
        y = _BASE - part * (_BASE - _TOP)
        lines.append(_LINE.format(css="grid" if part else "axis", x1=0, x2=100, y1=y, y2=y))
        if part and (top * part) % 1 == 0:
            lines.append(_WORD.format(css="from", x=0, y=y - 4, text=number(top * part) + unit))
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
    """Round up to a number that suits the end of an axis."""
    if most <= _MAX_UNROUNDED:
        return most
    power = int("1" + "0" * (len(str(most)) - 2))
    return next(end * power for end in _ENDS if end * power >= most)
