"""A replay for people, in lines: what it would take, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proxy.replay import ReplayReport, cost_of
from proxy.replay.report import Ratio, ReplaySpending, Similarity, StopReasons
from proxy.report.prices import Price
from proxy.terminal_text import escape_for_terminal
from proxy.traffic.store.replay_results import LeftOut, ReplayPlan

_NAMES = 18
_BAR = 40


def estimate_lines(
    found: ReplayPlan, model: str | None, prices: Mapping[str, Price]
) -> Iterator[str]:
    """What is left to ask, and about what that takes; `model`: the one that all of it is for."""
    yield _line("found", _requests(found.exchanges))
    if found.unanswered:
        yield _line("", f"{found.unanswered:,} came to no answer: there is nothing to compare with")
    if found.without_content:
        yield _line("", f"{found.without_content:,} have no content (see the setting `capture`)")
    if found.done:
        yield _line("", f"{found.done:,} are done already, under this name")
    yield _line("to ask", _requests(sum(each.requests for each in found.left)))
    if found.left:
        given, said, most = (
            sum(numbers) for numbers in zip(*map(_tokens, found.left), strict=True)
        )
        yield _line("input tokens", f"about {given:,.0f}")
        yield _line("output tokens", f"about {said:,.0f}, at most {most:,.0f}")
        yield _line("cost", " ".join(_costs(found.left, model, prices)))


def _tokens(left: LeftOut) -> tuple[float, float, float]:
    return left.input_tokens, left.output_tokens, left.most_output_tokens


def _costs(
    left: tuple[LeftOut, ...], model: str | None, prices: Mapping[str, Price]
) -> Iterator[str]:
    likely = most = 0.0
    unpriced = set[str]()
    for each in left:
        asked = model or each.model
        given, said, at_most = _tokens(each)
        cost = cost_of(asked, given, said, prices)
        highest = cost_of(asked, given, at_most, prices)
        if cost is None or highest is None:
            unpriced.add(asked or "a legacy upstream")
            continue
        likely, most = likely + cost, most + highest
    if most:
        yield f"about {_dollars(likely)}, at most {_dollars(most)}"
        if model is None:
            yield "if the models stay the same"
    if unpriced:
        yield f"(not known for {escape_for_terminal(', '.join(sorted(unpriced)))})"


def report_lines(report: ReplayReport) -> Iterator[str]:
    """All of it."""
    failed = report.asked - report.compared
    yield f"Replay {report.name}: {_requests(report.asked)} asked again, {failed:,} failed"
    for count in report.failures:
        yield _line("failed", f"{count.count:,} {escape_for_terminal(count.name)}")
    if report.similarity is None:
        return
    yield _line("equal", f"{report.equal:,} of {report.compared:,}")
    yield from _similarity(report.similarity)
    yield _line("stop reason", f"{report.same_stop_reason:,} of {report.compared:,} the same")
    yield from map(_stop_reasons, report.stop_reasons)
    for name, ratio in (("length", report.lengths), ("latency", report.latencies)):
        if ratio is not None:
            yield _line(name, _ratio(ratio))
    yield from (_line("recorded", _spent(spent)) for spent in report.recorded)
    yield from (_line("now", _spent(spent)) for spent in report.now)
    for change in report.adjustments:
        counts = f"appears in {change.appears:,}, goes away in {change.goes_away:,}"
        yield _line("adjustment", f"{escape_for_terminal(change.kind)} {counts}")
    for least in report.least_similar:
        yield _line(
            "least similar",
            f"{least.similarity:.2f}  holdover show {escape_for_terminal(least.id)}",
        )


def _similarity(found: Similarity) -> Iterator[str]:
    yield _line("similarity", f"{found.mean:.3f} on average; a tenth {found.p10:.3f} or less")
    highest = max(found.tenths)
    for tenth, count in enumerate(found.tenths):
        bar = "#" * -(-count * _BAR // highest)
        yield _line("", f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}  {bar:<{_BAR}}  {count:,}")


def _stop_reasons(pair: StopReasons) -> str:
    recorded, now = (escape_for_terminal(str(reason)) for reason in (pair.recorded, pair.now))
    return _line("", f"{pair.count:,} {recorded}, now {now}")


def _ratio(ratio: Ratio) -> str:
    return f"x {ratio.p50:.2f} (a tenth below x {ratio.p10:.2f}, a tenth above x {ratio.p90:.2f})"


def _spent(spent: ReplaySpending) -> str:
    who = "a legacy upstream" if spent.model is None else escape_for_terminal(spent.model)
    tokens = f"{spent.input_tokens:,.0f} input and {spent.output_tokens:,.0f} output tokens"
    cost = "" if spent.cost is None else f", {_dollars(spent.cost)}"
    answers = "1 answer" if spent.answers == 1 else f"{spent.answers:,} answers"
    return f"{answers} of {who}: {tokens}{cost}"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"


def _line(name: str, text: str) -> str:
    return f"  {name:<{_NAMES}}{text}"
