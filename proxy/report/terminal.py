"""Write a report for a terminal, with control characters in quoted texts escaped."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from proxy.report.code_listing import code_lines
from proxy.report.formatting import duration, moment, money, number, percent, short
from proxy.report.model import CallerReport, Outcomes, Percentiles, Report
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
    ready_names,
    retirement_day,
    summary,
    verdict,
)
from proxy.terminal_text import escape_for_terminal

_BARS: Final = " ▁▂▃▄▅▆▇█"
_MAX_BARS: Final = 72
_MAX_FULL_CALLERS: Final = 5
"""Number of callers that are shown in full, so that the report stays readable."""
_STYLES: Final = {"decision": "yellow", "mechanical": "cyan"}


def as_terminal(report: Report, *, width: int = 80, in_color: bool = False) -> str:
    """Return the report as lines of at most `width` columns; only lines of code may be longer."""
    written = io.StringIO()
    console = Console(
        file=written, width=width, force_terminal=in_color, highlight=False, markup=False
    )
    _Page(console).print(report)
    # Tables pad their last column with spaces.
    return "".join(
        f"{line.rstrip()}\n" for line in written.getvalue().removesuffix("\n").split("\n")
    )


class _Page:
    def __init__(self, console: Console) -> None:
        self._console = console

    def print(self, report: Report) -> None:
        period = report.period
        self._line(headline(report), "bold")
        self._line(f"{moment(period.since)} to {moment(period.until)} UTC", "dim")
        if not report.is_empty:
            self._line(summary(report))
        for caveat in caveats(report):
            self._line(caveat, "dim")
        if report.is_empty:
            return
        self._totals(report)
        self._callers(report)
        for caller in report.callers[:_MAX_FULL_CALLERS]:
            self._caller(caller)
        if report.callers[_MAX_FULL_CALLERS:]:
            self._line("")
            self._line("To see the other callers, use --caller NAME or another --format.", "dim")
        self._shadows(report)
        self._retirements(report)
        self._heading("Ready to cut over")
        self._line(ready_names(report) or "None.")

    def _totals(self, report: Report) -> None:
        totals, spent = report.totals, report.totals.spent
        self._heading(f"Exchanges by {report.volume.step}")
        # One character for as many steps as it takes to fit on a line.
        counts = [bucket.exchanges for bucket in report.volume.buckets]
        each = -(-len(counts) // _MAX_BARS)
        sums = [sum(counts[begin : begin + each]) for begin in range(0, len(counts), each)]
        highest = max(sums)
        # Rounded up, so that a few exchanges are never drawn as none.
        bars = (_BARS[-(-exchanges * (len(_BARS) - 1) // highest)] for exchanges in sums)
        self._line("".join(bars), "green")
        self._facts(
            [
                ("ended", _outcomes(totals.outcomes)),
                ("rescued", number(totals.rescued) if totals.rescued else ""),
                ("readiness", percent(totals.readiness)),
                ("took", _percentiles(totals.latency.total)),
                ("first byte", _percentiles(totals.latency.first_byte)),
                ("first token", _percentiles(totals.latency.first_token)),
                ("tokens", f"{number(spent.input_tokens)} in, {number(spent.output_tokens)} out"),
                ("cost", money(spent.cost)),
                ("no price for", ", ".join(spent.unpriced_models)),
            ]
        )

    def _callers(self, report: Report) -> None:
        self._heading("Callers")
        rows = [
            (
                caller_name(caller),
                number(caller.exchanges),
                percent(caller.share),
                percent(caller.readiness.score),
                percent(caller.error_share),
                join_names(caller.sdks, 1),
            )
            for caller in report.callers
        ]
        if (others := report.others) is not None:
            rest = f"{number(others.callers)} more", number(others.exchanges), percent(others.share)
            rows.append((*rest, percent(others.lowest_readiness), "", ""))
        self._table(("caller", "exchanges", "share", "ready", "errors", "SDK"), rows)

    def _caller(self, caller: CallerReport) -> None:
        self._heading(caller_name(caller))
        self._line(caller_description(caller))
        self._facts(
            [
                ("state", badge(caller.readiness)),
                ("ended", _outcomes(caller.outcomes)),
                ("took", _percentiles(caller.latency.total)),
                ("features", join_names(caller.features, 12)),
                ("dialects", join_names(caller.dialects)),
                ("user agents", join_names(caller.user_agents, 3)),
                *(
                    ("error", f"{number(use.count)} times {use.status} {use.type} ({use.blame})")
                    for use in caller.errors[:5]
                ),
            ]
        )
        self._table(
            ("asked", "sent", "exchanges"),
            [(use.asked or "?", use.sent or "", number(use.count)) for use in caller.models[:5]],
        )
        self._table(
            ("adjustment", "asked", "sent", "exchanges"),
            [
                (use.kind, example.asked, example.sent, number(example.count))
                for use in caller.adjustments
                for example in use.examples[:1]
            ],
        )
        if not caller.readiness.reasons:
            self._line(nothing_to_change(caller), "green")
        for reason in caller.readiness.reasons:
            line = Text(f"{BADGES[reason.work]}, {percent(reason.share)}: ", _STYLES[reason.work])
            self._console.print(line.append(f"{reason.what} {reason.what_to_do}", "default"))
        if caller.call is None:
            return
        source = "from a captured request" if caller.call.is_captured else "an example"
        self._line(
            f"Instead ({source}, {caller.call.language}; {example_share(caller.call)}):", "bold"
        )
        for line_of_code in code_lines(caller.call):
            self._console.print(Text(f"  {line_of_code}"), soft_wrap=True)

    def _shadows(self, report: Report) -> None:
        if report.shadows:
            self._heading("Shadows")
        for each in report.shadows:
            self._line(verdict(each))
        rows = [
            (
                f"{each.rule}: {leg}",
                number(compared.compared),
                number(compared.failed),
                percent(compared.mean_similarity),
                percent(compared.equal_share),
            )
            for each in report.shadows
            for leg, compared in (("shadow", each.shadow), ("control", each.control))
            if compared is not None
        ]
        self._table(("rule", "compared", "failed", "alike", "equal"), rows)

    def _retirements(self, report: Report) -> None:
        if report.retirements:
            self._heading("Models that retire")
        rows = [
            (
                model.model,
                retirement_day(model),
                model.successor or "",
                ", ".join(caller_name(caller) for caller in model.callers[:3]),
            )
            for model in report.retirements
        ]
        self._table(("model", "retires", "successor", "callers"), rows)

    def _heading(self, text: str) -> None:
        self._console.print()
        self._line(text, "bold underline")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(_text(text, 2_000, style))

    def _facts(self, facts: Iterable[tuple[str, str]]) -> None:
        known = [fact for fact in facts if fact[1]]
        self._grid(known, Table.grid(padding=(0, 2)))

    def _table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if rows:
            self._grid(rows, Table(*head, box=None, pad_edge=False, header_style="dim"))

    def _grid(self, rows: Iterable[Sequence[str]], table: Table) -> None:
        for row in rows:
            table.add_row(*(_text(cell) for cell in row))
        self._console.print(Padding(table, (0, 0, 0, 2)))


def _text(text: str, most: int = 120, style: str = "") -> Text:
    return Text(escape_for_terminal(short(text, most)), style, overflow="fold")


def _outcomes(outcomes: Outcomes) -> str:
    counts = ((word, getattr(outcomes, name)) for name, word in OUTCOMES.items())
    return ", ".join(f"{number(count)} {word}" for word, count in counts if count)


def _percentiles(took: Percentiles | None) -> str:
    if took is None:
        return ""
    p50, p95, p99 = map(duration, (took.p50, took.p95, took.p99))
    return f"p50 {p50}, p95 {p95}, p99 {p99}"
