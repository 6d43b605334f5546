"""
Write a report as Markdown, for a ticket or a wiki.

Texts of clients and upstreams are always code spans or blocks, where no text
is a mark, a link, a picture, HTML, or a mention that notifies someone. Escaping
would not prevent mentions: sites look for them in the rendered page, where
the backslash before `@everyone` is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from proxy.report.code_listing import code_lines
from proxy.report.formatting import (
    day,
    duration,
    moment,
    money,
    number,
    one_or_many,
    percent,
    short,
    step_label,
)
from proxy.report.model import CallerReport, Compared, Report
from proxy.report.outcomes import error_count
from proxy.report.phrases import (
    BADGES,
    OUTCOMES,
    badge,
    caller_description,
    caller_name,
    caveats,
    example_share,
    headline,
    join_names,
    nothing_to_change,
    retirement_day,
    summary,
    verdict,
)
from proxy.terminal_text import escape_for_terminal

_TICKS: Final = re.compile("`+")
_BEFORE_PIPE: Final = re.compile(r"\\(?=\|)")
_MAX_READY: Final = 100
_MAX_MODELS: Final = 5


def as_markdown(report: Report) -> str:
    """Return the whole report as a Markdown document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    period = report.period
    yield "# Legacy traffic"
    yield ""
    yield f"{moment(period.since)} to {moment(period.until)} UTC. {headline(report, _code)}"
    yield from _paragraphs(caveats(report))
    if report.is_empty:
        return
    yield from _paragraphs([summary(report, _code)])
    yield from _totals(report)
    yield from _callers(report)
    for caller in report.callers:
        yield from _caller(caller)
    yield from _heading("Ready to cut over", 2)
    for standing in report.ready[:_MAX_READY]:
        yield f"- {caller_name(standing, _code)}, {one_or_many(standing.exchanges, 'exchange')}"
    if not report.ready:
        yield "None."
    elif len(report.ready) > _MAX_READY:
        yield f"- and {number(len(report.ready) - _MAX_READY)} more"
    yield from _shadows(report)
    yield from _retirements(report)


def _totals(report: Report) -> Iterator[str]:
    totals, spent = report.totals, report.totals.spent
    names = [_code(name) for name in spent.unpriced_models[:_MAX_MODELS]]
    left_out = len(spent.unpriced_models) - len(names)
    more = f" and {number(left_out)} more" if left_out else ""
    yield from _table(
        ("", ""),
        [
            ("Exchanges", number(totals.exchanges)),
            ("Callers", number(totals.callers)),
            ("Translated", number(totals.translated)),
            ("Forwarded", number(totals.forwarded)),
            ("Rescued by a second try", number(totals.rescued)),
            ("Streamed", number(totals.streamed)),
            *(
                (f"- {word}", number(count))
                for name, word in OUTCOMES.items()
                if (count := getattr(totals.outcomes, name))
            ),
            ("Readiness", percent(totals.readiness)),
            ("Tokens in, out", f"{number(spent.input_tokens)}, {number(spent.output_tokens)}"),
            ("Cost", money(spent.cost)),
            *([("No price known for", ", ".join(names) + more)] if names else []),
        ],
    )
    yield from _heading("Volume", 2)
    yield from _table(
        (report.volume.step, "exchanges", "errors"),
        [
            (
                step_label(bucket.begin, report.volume.step),
                number(bucket.exchanges),
                number(error_count(bucket.outcomes)),
            )
            for bucket in report.volume.buckets
            if bucket.exchanges
        ],
    )


def _callers(report: Report) -> Iterator[str]:
    yield from _heading("Callers", 2)
    rows = [
        (
            caller_name(caller, _code),
            number(caller.exchanges),
            percent(caller.share),
            percent(caller.readiness.score),
            percent(caller.error_share),
            "" if caller.latency.total is None else duration(caller.latency.total.p95),
            join_names(caller.sdks, 1, quote=_code),
        )
        for caller in report.callers
    ]
    if (others := report.others) is not None:
        rest = f"{number(others.callers)} more", number(others.exchanges), percent(others.share)
        rows.append((*rest, f"from {percent(others.lowest_readiness)}", "", "", ""))
    head = ("caller", "exchanges", "share", "readiness", "errors", "p95", "SDK")
    yield from _table(head, rows)


def _caller(caller: CallerReport) -> Iterator[str]:
    yield from _heading(caller_name(caller, _code), 3)
    yield f"{caller_description(caller, _code)} Readiness: {badge(caller.readiness)}."
    yield ""
    reasons = caller.readiness.reasons
    if not reasons:
        yield nothing_to_change(caller)
    for reason in reasons:
        badge_and_share = f"**{BADGES[reason.work]}**, {percent(reason.share)}"
        yield f"- {badge_and_share}: {reason.what} {reason.what_to_do}"
    for title, counted in (("Features", caller.features), ("User agents", caller.user_agents)):
        if counted:
            shares = (f"{_code(each.name)} ({percent(each.share)})" for each in counted)
            yield from _paragraphs([f"{title}: {', '.join(shares)}."])
    yield from _table(
        ("asked", "sent", "exchanges"),
        [
            (_code(use.asked or "?"), _code(use.sent or ""), number(use.count))
            for use in caller.models
        ],
    )
    yield from _table(
        ("adjustment", "exchanges", "asked", "sent"),
        [
            (_code(use.kind), number(one.count), _code(one.asked), _code(one.sent))
            for use in caller.adjustments
            for one in use.examples
        ],
    )
    yield from _table(
        ("error", "whose", "exchanges"),
        [
            (f"{use.status or ''} {_code(use.type or '?')}", _code(use.blame), number(use.count))
            for use in caller.errors
        ],
    )
    if (call := caller.call) is None:
        return
    source = "What it sent" if call.is_captured else "An example, with words for its texts"
    about_call = f"{_code(call.exchange)}; {example_share(call)}"
    yield from _paragraphs([f"{source}, as a call of the current SDK ({about_call}):"])
    yield ""
    lines = list(code_lines(call))
    fence = _fence("\n".join(lines), 3)
    yield from (f"{fence}{call.language}", *lines, fence)


def _shadows(report: Report) -> Iterator[str]:
    if report.shadows:
        yield from _heading("Shadows", 2)
    for each in report.shadows:
        compared = one_or_many(each.shadow.compared, "shadow")
        alike = "".join(f", {text}" for text in _similarity(each.shadow))
        noise = "" if each.control is None else ", ".join(_similarity(each.control))
        controls = f" Controls: {noise}." if noise else ""
        yield (
            f"- {verdict(each, _code)} {compared}, {number(each.shadow.failed)} failed{alike}."
            f"{controls}"
        )


def _similarity(compared: Compared) -> list[str]:
    if not compared.compared:
        return []
    similarity, equal = percent(compared.mean_similarity), percent(compared.equal_share)
    return [f"{similarity} alike", f"{equal} equal"]


def _retirements(report: Report) -> Iterator[str]:
    if report.retirements:
        yield from _heading("Models that retire", 2)
        rows = [
            (
                _code(model.model),
                retirement_day(model),
                _code(model.successor or ""),
                number(model.exchanges),
                ", ".join(caller_name(caller, _code) for caller in model.callers[:5]),
            )
            for model in report.retirements
        ]
        yield from _table(("model", "retires", "successor", "exchanges", "callers"), rows)
    yield ""
    yield f"Made on {day(report.made)}."


def _heading(text: str, level: int) -> Iterator[str]:
    yield from ("", f"{'#' * level} {text}", "")


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from ("", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    # A pipe ends a cell even within code (GFM, section 4.10). Parsers disagree about a backslash
    # before an escaped pipe, so that is written as \u005c.
    cells = [
        [_BEFORE_PIPE.sub(r"\\u005c", cell).replace("|", r"\|") for cell in row] for row in rows
    ]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    if lines:
        yield from ("", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines)


def _code(text: str, most: int = 120) -> str:
    """Quote foreign text as a code span (CommonMark, section 6.1)."""
    shown = escape_for_terminal(short(text, most))
    if not shown:
        return ""
    fence = _fence(shown, 1)
    is_closed = shown[0] in "` " or shown[-1] in "` "
    space = " " if is_closed and shown.strip(" ") else ""  # parsers strip one on each side
    return f"{fence}{space}{shown}{space}{fence}"


def _fence(text: str, least: int) -> str:
    """Return a fence of backticks that is longer than any in the text."""
    return "`" * max(least, 1 + max(map(len, _TICKS.findall(text)), default=0))
