"""Lines of text about a replay: the estimate before it, and the comparison after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proxy.replay import Forecast, ModelForecast, ReplayReport, cost_of
from proxy.replay.report import ReplaySpending
from proxy.report.prices import Price
from proxy.terminal_text import escape_for_terminal
from proxy.traffic.store.replay_results import ReplayPlan

_LABEL_WIDTH = 18
_BAR_WIDTH = 40
_MAX_MODELS = 8


def estimate_lines(found: ReplayPlan, left: Forecast, prices: Mapping[str, Price]) -> Iterator[str]:
    """Yield what is left to ask, and what the models that will be asked probably cost."""
    yield _line("found", _requests(found.exchanges))
    if found.unanswered:
        yield _line("", f"{found.unanswered:,} got no answer, so there is nothing to compare with")
    if found.without_content:
        yield _line("", f"{found.without_content:,} have no content (see the setting `capture`)")
    if found.done:
        yield _line("", f"{found.done:,} were done before under this name")
    yield _line("to ask", _requests(left.requests))
    if left.refused:
        refused = "1 is" if left.refused == 1 else f"{left.refused:,} are"
        yield _line("", f"{refused} refused by a rule, or not translatable, and so not sent")
    if left.models:
        for each in left.models[:_MAX_MODELS]:
            model = "a legacy upstream" if each.model is None else escape_for_terminal(each.model)
            yield _line("", f"{each.requests:,} of {model}")
        if others := left.models[_MAX_MODELS:]:
            yield _line("", f"{sum(each.requests for each in others):,} of other models")
        given, likely, most = (
            sum(numbers) for numbers in zip(*map(_tokens, left.models), strict=True)
        )
        yield _line("input tokens", f"about {given:,.0f}")
        yield _line("output tokens", f"about {likely:,.0f}, at most {most:,.0f}")
        yield _line("cost", " ".join(_costs(left.models, prices)))


def _tokens(left: ModelForecast) -> tuple[float, float, float]:
    return left.input_tokens, left.output_tokens, left.most_output_tokens


def _costs(left: tuple[ModelForecast, ...], prices: Mapping[str, Price]) -> Iterator[str]:
    likely = most = 0.0
    unpriced = set[str]()
    for each in left:
        given, likely_tokens, max_tokens = _tokens(each)
        cost = cost_of(each.model, given, likely_tokens, prices)
        highest = cost_of(each.model, given, max_tokens, prices)
        if cost is None or highest is None:
            unpriced.add(each.model or "a legacy upstream")
            continue
        likely, most = likely + cost, most + highest
    if most:
        yield f"about {_dollars(likely)}, at most {_dollars(most)}"
    if unpriced:
        yield f"(not known for {escape_for_terminal(', '.join(sorted(unpriced)))})"


def report_lines(report: ReplayReport) -> Iterator[str]:
    """Yield the whole comparison."""
    failed = report.asked - report.compared
    yield f"Replay {report.name}: {_requests(report.asked)} replayed, {failed:,} failed"
    for count in report.failures:
        yield _line("failed", f"{count.count:,} {escape_for_terminal(count.name)}")
    similarity = report.similarity
    if similarity is None:
        return
    yield _line("equal", f"{report.equal:,} of {report.compared:,}")
    yield _line(
        "similarity", f"{similarity.mean:.3f} on average; a tenth is at most {similarity.p10:.3f}"
    )
    highest = max(similarity.tenths)
    for tenth, exchanges in enumerate(similarity.tenths):
        bar = "#" * -(-exchanges * _BAR_WIDTH // highest)
        tenths = f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}"
        yield _line("", f"{tenths}  {bar:<{_BAR_WIDTH}}  {exchanges:,}")
    yield _line("stop reason", f"{report.same_stop_reason:,} of {report.compared:,} the same")
    for pair in report.stop_reasons:
        before, after = (escape_for_terminal(str(reason)) for reason in (pair.recorded, pair.now))
        yield _line("", f"{pair.count:,} {before}, now {after}")
    for name, ratio in (("length", report.lengths), ("latency", report.latencies)):
        if ratio is not None:
            tails = f"a tenth below x {ratio.p10:.2f}, a tenth above x {ratio.p90:.2f}"
            yield _line(name, f"x {ratio.p50:.2f} ({tails})")
    yield from (_line("recorded", _spent(spent)) for spent in report.recorded)
    yield from (_line("now", _spent(spent)) for spent in report.now)
    for change in report.adjustments:
        counts = f"appears in {change.appears:,}, goes away in {change.goes_away:,}"
        yield _line("adjustment", f"{escape_for_terminal(change.kind)} {counts}")
    for least in report.least_similar:
        command = f"holdover show {escape_for_terminal(least.id)}"
        yield _line("least similar", f"{least.similarity:.2f}  {command}")


def _spent(spent: ReplaySpending) -> str:
    model = "a legacy upstream" if spent.model is None else escape_for_terminal(spent.model)
    tokens = f"{spent.input_tokens:,.0f} input and {spent.output_tokens:,.0f} output tokens"
    cost = "" if spent.cost is None else f", {_dollars(spent.cost)}"
    answers = "1 answer" if spent.answers == 1 else f"{spent.answers:,} answers"
    return f"{answers} of {model}: {tokens}{cost}"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"


def _line(name: str, text: str) -> str:
    return f"  {name:<{_LABEL_WIDTH}}{text}"
