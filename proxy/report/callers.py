"""One caller: its sums become what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Final

import msgspec

from proxy.report.adjustments import adjustments_of, alike
from proxy.report.model import (
    CallerReport,
    ErrorUse,
    Latency,
    ModelUse,
    Outcome,
    Outcomes,
    Readiness,
    Spent,
    Standing,
)
from proxy.report.outcomes import error_share, outcome_of, outcomes_of, share
from proxy.report.prices import Price, spent_on
from proxy.report.readiness import judge
from proxy.report.replacement_call import call_of
from proxy.report.statistics import MAX_SHOWN, latency_of, ranked
from proxy.traffic.store.aggregates import Aggregates, ClientGroup, LatencyGroup, ShapeGroup, Who
from proxy.traffic.store.examples import StoredExample
from proxy.traffic.store.row_mapping import moment_of
from translators import Policy

_FEATURES: Final = msgspec.json.Decoder(tuple[str, ...])
_NONE: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What a report goes by beside the records: the settings, and the day."""

    policy: Policy
    prices: Mapping[str, Price]
    today: str


@dataclass(frozen=True)
class CallerStatistics:
    """The sums of one caller, or of several together; what follows from them is found out once."""

    shaped: list[ShapeGroup] = field(default_factory=list)
    called: list[ClientGroup] = field(default_factory=list)
    lasted: list[LatencyGroup] = field(default_factory=list)

    @cached_property
    def name(self) -> str | None:
        """From the settings."""
        return next((each.name for each in self.shaped if each.name), None)

    @cached_property
    def digest(self) -> str | None:
        """Of its key."""
        return next((each.digest for each in self.shaped if each.digest), None)

    @cached_property
    def exchanges(self) -> int:
        """How many."""
        return sum(each.exchanges for each in self.shaped)

    @cached_property
    def outcomes(self) -> Outcomes:
        """How they ended."""
        counts: Counter[Outcome] = Counter()
        for each in self.shaped:
            ending = each.ending
            outcome = outcome_of(
                ending.blame,
                client_gone=ending.client_gone,
                has_error=ending.error_type is not None,
            )
            counts[outcome] += each.exchanges
        return outcomes_of(counts)

    @cached_property
    def latency(self) -> Latency:
        """How long they took."""
        return latency_of(self.lasted)

    @cached_property
    def readiness(self) -> Readiness:
        """How ready it is."""
        return judge(alike(self.shaped))

    @cached_property
    def rescued(self) -> int:
        """How many a second try rescued."""
        return _count(each for each in self.shaped if each.ending.is_rescued)

    @cached_property
    def usual(self) -> tuple[ShapeGroup, ...]:
        """What it asks most often, by model and features; rather of what was answered."""
        readable = [each for each in self.shaped if each.asked is not None]
        known = [each for each in readable if each.ending.is_answered] or readable
        counts: Counter[tuple[str | None, str]] = Counter()
        for each in known:
            counts[_asked(each)] += each.exchanges
        most = max(counts, key=lambda one: counts[one], default=None)
        return tuple(each for each in known if _asked(each) == most)

    @cached_property
    def usual_share(self) -> float:
        """Of all that it sent, however that ended."""
        kinds = {_asked(each) for each in self.usual}
        alike = _count(each for each in self.shaped if _asked(each) in kinds)
        return share(alike, self.exchanges)

    def example(self, captured: Mapping[int, int]) -> int | None:
        """`seq` of the last of the usual ones, rather of those captured, which are by shape."""
        whole = [captured[each.shape] for each in self.usual if each.shape in captured]
        return max(whole or [each.latest for each in self.usual], default=None)


_SUMS: Final = tuple(each.name for each in fields(CallerStatistics))


def callers_of(sums: Aggregates) -> dict[Who, CallerStatistics]:
    """By volume; of those as large, the first of the alphabet."""
    callers: dict[Who, CallerStatistics] = {}
    for each in sums.shaped:
        callers.setdefault(each.who, CallerStatistics()).shaped.append(each)
    for name in _SUMS[1:]:
        for row in getattr(sums, name):
            # Meanwhile the last record of a caller may have been let go, or its first one added.
            if (caller := callers.get(row.who)) is not None:
                getattr(caller, name).append(row)
    order = sorted(callers.items(), key=lambda each: (-each[1].exchanges, each[0] or ""))
    return dict(order)


def together(callers: Iterable[CallerStatistics]) -> CallerStatistics:
    """As if they were one."""
    whole = CallerStatistics()
    for caller in callers:
        for name in _SUMS:
            getattr(whole, name).extend(getattr(caller, name))
    return whole


def standing_of(caller: CallerStatistics) -> Standing:
    """In short."""
    readiness = caller.readiness
    return Standing(
        name=caller.name,
        digest=caller.digest,
        exchanges=caller.exchanges,
        error_share=error_share(caller.outcomes, caller.exchanges),
        readiness=readiness.score,
        is_ready=readiness.is_ready,
    )


def spent_by(caller: CallerStatistics, present: ReportSettings) -> Spent:
    """What its tokens cost."""
    return spent_on(caller.shaped, present.prices)


def caller_report(
    caller: CallerStatistics, example: StoredExample | None, present: ReportSettings, whole: int
) -> CallerReport:
    """At length."""
    own = caller.exchanges
    return CallerReport(
        name=caller.name,
        digest=caller.digest,
        exchanges=own,
        share=share(own, whole),
        first_seen=moment_of(min(each.first_ms for each in caller.shaped)),
        last_seen=moment_of(max(each.last_ms for each in caller.shaped)),
        outcomes=caller.outcomes,
        error_share=error_share(caller.outcomes, own),
        rescued=caller.rescued,
        streamed_share=share(_count(each for each in caller.shaped if each.streamed), own),
        sdks=ranked(_counts((each.sdk, each.exchanges) for each in caller.called), own),
        user_agents=ranked(
            _counts((each.user_agent, each.exchanges) for each in caller.called), own
        ),
        dialects=ranked(_counts((each.dialect, each.exchanges) for each in caller.shaped), own),
        rules=ranked(_counts((each.rule, each.exchanges) for each in caller.shaped), own),
        routes=ranked(_counts((each.ending.route, each.exchanges) for each in caller.shaped), own),
        models=_models(caller, own),
        features=ranked(
            _counts(
                (name, each.exchanges)
                for each in caller.shaped
                for name in _FEATURES.decode(each.features)
            ),
            own,
        ),
        adjustments=adjustments_of(caller.shaped, own),
        errors=_errors(caller, own),
        latency=caller.latency,
        spent=spent_by(caller, present),
        readiness=caller.readiness,
        call=example and call_of(example, caller.usual_share, present.policy, present.today),
    )


def _asked(shaped: ShapeGroup) -> tuple[str | None, str]:
    return shaped.asked, shaped.features


def _count(shaped: Iterable[ShapeGroup]) -> int:
    return sum(each.exchanges for each in shaped)


def _counts(pairs: Iterable[tuple[str | None, int]]) -> Counter[str]:
    """What there is none of is counted, too."""
    counts: Counter[str] = Counter()
    for name, count in pairs:
        counts[_NONE if name is None else name] += count
    return counts


def _models(caller: CallerStatistics, whole: int) -> tuple[ModelUse, ...]:
    counts: Counter[tuple[str | None, str | None]] = Counter()
    for each in caller.shaped:
        counts[each.asked, each.sent] += each.exchanges
    return tuple(
        ModelUse(asked=asked, sent=sent, count=count, share=share(count, whole))
        for (asked, sent), count in counts.most_common(MAX_SHOWN)
    )


def _errors(caller: CallerStatistics, whole: int) -> tuple[ErrorUse, ...]:
    counts: Counter[tuple[int | None, str | None, str]] = Counter()
    for each in caller.shaped:
        ending = each.ending
        if ending.error_type is not None:
            counts[ending.status, ending.error_type, ending.blame] += each.exchanges
    return tuple(
        ErrorUse(
            status=status, type=error_type, blame=blame, count=count, share=share(count, whole)
        )
        for (status, error_type, blame), count in counts.most_common(MAX_SHOWN)
    )
