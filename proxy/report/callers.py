"""The part of a report about one caller, made from its sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import msgspec

from proxy.outcome import Outcome
from proxy.report.adjustments import adjustments_of, readiness_evidence
from proxy.report.model import (
    CallerReport,
    ErrorUse,
    Latency,
    ModelUse,
    Outcomes,
    Readiness,
    Spent,
    Standing,
)
from proxy.report.outcomes import error_share, outcomes_of, share
from proxy.report.prices import Price, spent_on
from proxy.report.readiness import judge_readiness
from proxy.report.replacement_call import call_of
from proxy.report.statistics import MAX_SHOWN, latency_of, ranked
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.aggregates import Aggregates, ClientGroup, ShapeGroup, Who
from proxy.traffic.store.examples import StoredExample
from proxy.traffic.store.row_mapping import moment_of
from proxy.traffic.store.stored_json import read_stored
from translators import Policy

_FEATURES: Final = msgspec.json.Decoder(tuple[str, ...])
_NO_NAME: Final = "none"
_NO_NAMES: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """The input of a report besides the records: settings, and today's date (ISO 8601)."""

    policy: Policy
    prices: Mapping[str, Price]
    today: str
    names: Mapping[str, str] = field(default_factory=dict)
    """The names that the settings give to callers, by the digests of their keys."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Who changes a caller, by its name."""


@dataclass(frozen=True, slots=True)
class CallerExamples:
    """Exchanges of a caller that are shown as examples; their records may be gone already."""

    request: StoredExample | None = None
    """A typical request."""
    adjustments: Mapping[int, Sequence[MadeAdjustment]] = field(default_factory=dict)
    """The adjustments of an exchange, by its shape."""


@dataclass(frozen=True)
class CallerStatistics:
    """The sums of one caller, or of several merged; derived values are computed once."""

    shapes: list[ShapeGroup] = field(default_factory=list)
    clients: list[ClientGroup] = field(default_factory=list)

    @cached_property
    def name(self) -> str | None:
        """The caller's name in the settings."""
        return next((each.name for each in self.shapes if each.name), None)

    @cached_property
    def digest(self) -> str | None:
        """The digest of the caller's key."""
        return next((each.digest for each in self.shapes if each.digest), None)

    def owner(self, owners: Mapping[str, str]) -> str | None:
        """Return who changes the caller, if that is known of its name."""
        return None if self.name is None else owners.get(self.name)

    @cached_property
    def client(self) -> str | None:
        """The most frequent SDK, or the most frequent user agent if no SDK is known."""
        sdk = _commonest((each.sdk, each.exchanges) for each in self.clients)
        return sdk or _commonest((each.user_agent, each.exchanges) for each in self.clients)

    @cached_property
    def last_seen(self) -> str:
        """Time of the last exchange."""
        return moment_of(max(each.last_ms for each in self.shapes))

    @cached_property
    def exchanges(self) -> int:
        """Number of exchanges."""
        return sum(each.exchanges for each in self.shapes)

    @cached_property
    def outcomes(self) -> Outcomes:
        """Number of exchanges by outcome."""
        counts: Counter[Outcome] = Counter()
        for each in self.shapes:
            counts[each.ending.outcome] += each.exchanges
        return outcomes_of(counts)

    @cached_property
    def latency(self) -> Latency:
        """Percentiles of the durations."""
        return latency_of(each.latency for each in self.clients)

    @cached_property
    def readiness(self) -> Readiness:
        """Readiness to use a current SDK."""
        return judge_readiness(readiness_evidence(self.shapes))

    @cached_property
    def rescued(self) -> int:
        """Number of exchanges that a second try rescued."""
        return _count(each for each in self.shapes if each.ending.is_rescued)

    @cached_property
    def most_common(self) -> tuple[ShapeGroup, ...]:
        """The most frequent combination of model and features, among answered requests if any."""
        readable = [each for each in self.shapes if each.asked is not None]
        known = [each for each in readable if each.ending.outcome is Outcome.ANSWERED] or readable
        counts: Counter[tuple[str | None, str]] = Counter()
        for each in known:
            counts[_asked(each)] += each.exchanges
        commonest = max(counts, key=lambda one: counts[one], default=None)
        return tuple(each for each in known if _asked(each) == commonest)

    @cached_property
    def most_common_share(self) -> float:
        """Share of all its requests, however they ended, that are like the most common ones."""
        kinds = {_asked(each) for each in self.most_common}
        return share(_count(each for each in self.shapes if _asked(each) in kinds), self.exchanges)

    @cached_property
    def typical(self) -> ShapeGroup | None:
        """The shape of the most common requests that was seen last, with a captured one if any."""
        return max(
            self.most_common, key=lambda each: (each.captured > 0, each.last_ms), default=None
        )


def callers_of(
    sums: Aggregates, names: Mapping[str, str] = _NO_NAMES
) -> dict[Who, CallerStatistics]:
    """
    Split the sums by caller, in order of volume, then of name.

    `names`, by digest, are for exchanges that were recorded before their caller had one.
    """
    callers: dict[Who, CallerStatistics] = {}
    for each in sums.shapes:
        shape = each if each.name else _named(each, names)
        callers.setdefault(shape.who, CallerStatistics()).shapes.append(shape)
    for client in sums.clients:
        who = None if client.who is None else names.get(client.who, client.who)
        if (caller := callers.get(who)) is not None:  # else its shapes found no room
            caller.clients.append(client)
    order = sorted(callers.items(), key=lambda each: (-each[1].exchanges, each[0] or ""))
    return dict(order)


def _named(shape: ShapeGroup, names: Mapping[str, str]) -> ShapeGroup:
    name = None if shape.digest is None else names.get(shape.digest)
    return shape if name is None else replace(shape, who=name, name=name)


def merge_callers(callers: Iterable[CallerStatistics]) -> CallerStatistics:
    """Return the sums of several callers as if they were one."""
    whole = CallerStatistics()
    for caller in callers:
        whole.shapes.extend(caller.shapes)
        whole.clients.extend(caller.clients)
    return whole


def standing_of(caller: CallerStatistics, owners: Mapping[str, str], whole: int) -> Standing:
    """Summarise a caller in what is reported of every one; `whole` counts all exchanges."""
    readiness = caller.readiness
    return Standing(
        name=caller.name,
        digest=caller.digest,
        owner=caller.owner(owners),
        exchanges=caller.exchanges,
        share=share(caller.exchanges, whole),
        error_share=error_share(caller.outcomes, caller.exchanges),
        readiness=readiness.score,
        is_enough=readiness.is_enough,
        is_ready=readiness.is_ready,
        client=caller.client,
        model=_commonest((each.asked, each.exchanges) for each in caller.shapes),
        last_seen=caller.last_seen,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """All callers of a period."""

    standings: tuple[Standing, ...]
    """In order of volume."""
    exchanges: int
    """Number of exchanges, of callers that found no room among the sums, too."""
    left_out: int
    """Number of exchanges that are not counted in any of `standings`."""


def all_callers(sums: Aggregates, settings: ReportSettings, exchanges: int) -> Callers:
    """Summarise all callers; `exchanges` is the number of all exchanges of the period."""
    callers = callers_of(sums, settings.names).values()
    whole = sum(caller.exchanges for caller in callers)
    return Callers(
        standings=tuple(standing_of(caller, settings.owners, whole) for caller in callers),
        exchanges=exchanges,
        left_out=exchanges - whole,
    )


def spent_by(caller: CallerStatistics, settings: ReportSettings) -> Spent:
    """Return a caller's tokens and their cost."""
    return spent_on(caller.shapes, settings.prices)


def caller_report(
    caller: CallerStatistics, examples: CallerExamples, settings: ReportSettings, whole: int
) -> CallerReport:
    """Report on a caller in full; `whole` is the number of exchanges of all callers."""
    example = examples.request
    own = caller.exchanges
    return CallerReport(
        name=caller.name,
        digest=caller.digest,
        owner=caller.owner(settings.owners),
        exchanges=own,
        share=share(own, whole),
        first_seen=moment_of(min(each.first_ms for each in caller.shapes)),
        last_seen=caller.last_seen,
        outcomes=caller.outcomes,
        error_share=error_share(caller.outcomes, own),
        rescued=caller.rescued,
        streamed_share=share(_count(each for each in caller.shapes if each.streamed), own),
        sdks=ranked(_counts((each.sdk, each.exchanges) for each in caller.clients), own),
        user_agents=ranked(
            _counts((each.user_agent, each.exchanges) for each in caller.clients), own
        ),
        dialects=ranked(_counts((each.dialect, each.exchanges) for each in caller.shapes), own),
        rules=ranked(_counts((each.rule, each.exchanges) for each in caller.shapes), own),
        routes=ranked(_counts((each.ending.route, each.exchanges) for each in caller.shapes), own),
        models=_models(caller, own),
        features=ranked(
            _counts(
                (name, each.exchanges)
                for each in caller.shapes
                for name in read_stored(_FEATURES, each.features) or ()
            ),
            own,
        ),
        adjustments=adjustments_of(caller.shapes, examples.adjustments, own),
        errors=_errors(caller, own),
        latency=caller.latency,
        spent=spent_by(caller, settings),
        readiness=caller.readiness,
        call=None
        if example is None
        else call_of(example, caller.most_common_share, settings.policy, settings.today),
    )


def _asked(shaped: ShapeGroup) -> tuple[str | None, str]:
    return shaped.asked, shaped.features


def _count(shaped: Iterable[ShapeGroup]) -> int:
    return sum(each.exchanges for each in shaped)


def _commonest(pairs: Iterable[tuple[str | None, int]]) -> str | None:
    """Return the most frequent name, the first in the alphabet of several; None without any."""
    counts: Counter[str] = Counter()
    for name, count in pairs:
        if name is not None:
            counts[name] += count
    return min(counts, key=lambda name: (-counts[name], name), default=None)


def _counts(pairs: Iterable[tuple[str | None, int]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, count in pairs:
        counts[_NO_NAME if name is None else name] += count
    return counts


def _models(caller: CallerStatistics, whole: int) -> tuple[ModelUse, ...]:
    counts: Counter[tuple[str | None, str | None]] = Counter()
    for each in caller.shapes:
        counts[each.asked, each.sent] += each.exchanges
    return tuple(
        ModelUse(asked=asked, sent=sent, count=count, share=share(count, whole))
        for (asked, sent), count in counts.most_common(MAX_SHOWN)
    )


def _errors(caller: CallerStatistics, whole: int) -> tuple[ErrorUse, ...]:
    counts: Counter[tuple[int | None, str | None, str]] = Counter()
    for each in caller.shapes:
        ending = each.ending
        if ending.error_type is not None:
            blame = ending.outcome.blame.value
            counts[ending.status, ending.error_type, blame] += each.exchanges
    return tuple(
        ErrorUse(
            status=status, type=error_type, blame=blame, count=count, share=share(count, whole)
        )
        for (status, error_type, blame), count in counts.most_common(MAX_SHOWN)
    )
