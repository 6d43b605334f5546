"""Shadows: whether answers of another route agree with those that clients got, and which do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.responses import Response

from proxy.config.settings import Settings
from proxy.console.answers import MOST_WORK, BothAnswers, both_answers
from proxy.console.periods import PERIODS, ShownPeriod, period_named
from proxy.console.reports import report_settings_of
from proxy.console.visit import Visit
from proxy.report.agreement import AGREEMENT, RuleAgreement, agreements_of, worst_of
from proxy.report.formatting import duration, number, percent
from proxy.report.model import ShadowReport
from proxy.report.shadows import shadow_reports
from proxy.report.volume import step_of
from proxy.timestamps import DAY_MS
from proxy.traffic.store.aggregates import shadow_groups
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.rollups.period import period_of_buckets
from proxy.traffic.store.shadow_queries import (
    ShadowedExchange,
    latest_shadows,
    shadowed_exchanges,
)
from proxy.traffic.store.store import Store
from proxy.traffic.store.stored_json import StoredComparison

_DEFAULT_PERIOD: Final = "7d"
MOST_READ: Final = 10_000
"""Shadows and controls that are read one by one; sums are read of all."""
_WORST: Final = 20
_WORST_MS: Final = 7 * DAY_MS

EXAMPLE: Final = """\
[[rollout]]
name = "compare"
action = "forward"  # what clients get, unchanged; it needs legacy_url
shadow = { action = "translate", share = 5, control = true, daily_tokens = 200_000 }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact about the client's answer and about the shadow's."""

    name: str
    client: str
    shadow: str

    @property
    def differs(self) -> bool:
        """True if the answers differ in this."""
        return self.client != self.shadow


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A shadow whose answer differs, with what is kept of its exchange."""

    exchange: str
    rule: str
    ended: str
    similarity: float
    caller: str | None
    """Name or digest; None if the record is gone, or has no key."""
    has_record: bool
    models: tuple[str, str]
    facts: tuple[Fact, ...]
    answers: BothAnswers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    reports: tuple[ShadowReport, ...]
    agreements: Mapping[str, RuleAgreement]
    worst: tuple[ShadowedExchange, ...]
    similarities: tuple[float, ...]
    begins_ms: int | None
    """Time of the oldest shadow that was read, if there are older ones in the period."""
    unreadable: int
    """Number of shadows and controls whose comparison cannot be read."""


async def shadows(visit: Visit) -> Response:
    """Show the page."""
    period = period_named(visit.parameter("period"), otherwise=_DEFAULT_PERIOD)
    current = await visit.site.settings()
    names = report_settings_of(current.settings, visit.now).names
    try:
        found = await visit.site.query(_look, period, visit.now_ms)
    except StoreError as exc:
        return await visit.page(
            "shadows_blind.html",
            503,
            store_problem=f"{exc}.",
            configured=[*_configured(current.settings)],
        )
    worst = await visit.site.run(_differences, found, names)
    return await visit.page(
        "shadows.html",
        period=period,
        periods=PERIODS.values(),
        reports=found.reports,
        agreements=found.agreements,
        words=AGREEMENT,
        worst=worst,
        days=min(period.length_ms, _WORST_MS) // DAY_MS,
        most_read=MOST_READ,
        begins_ms=found.begins_ms,
        unreadable=found.unreadable,
        configured=[*_configured(current.settings)],
        example=EXAMPLE,
    )


def _look(store: Store, period: ShownPeriod, now_ms: int) -> _Found:
    since_ms = now_ms - period.length_ms
    with store.reading() as connection:
        groups = shadow_groups(connection, period_of_buckets(connection, since_ms, now_ms + 1))
    seen = latest_shadows(store, since_ms, MOST_READ)
    begins_ms = seen[-1].ended_ms if len(seen) == MOST_READ else None
    drawn_ms = since_ms if begins_ms is None else begins_ms
    worst = worst_of(seen, now_ms - _WORST_MS, _WORST)
    kept = shadowed_exchanges(store, worst)
    by_place = {(each.id, each.leg): each.similarity or 0.0 for each in worst}
    return _Found(
        reports=shadow_reports(groups),
        agreements=agreements_of(seen, step_of(drawn_ms, now_ms), drawn_ms, now_ms + 1),
        worst=tuple(kept),
        similarities=tuple(by_place[each.shadow.id, each.shadow.leg] for each in kept),
        begins_ms=begins_ms,
        unreadable=sum(not each.is_readable for each in seen),
    )


def _differences(found: _Found, names: Mapping[str, str]) -> list[Difference]:
    left = MOST_WORK
    worst: list[Difference] = []
    for each, similarity in zip(found.worst, found.similarities, strict=True):
        answers = both_answers(each.answer, each.shadow_answer, most_work=left)
        left -= answers.work
        worst.append(_difference(each, similarity, names, answers))
    return worst


def _difference(
    found: ShadowedExchange, similarity: float, names: Mapping[str, str], answers: BothAnswers
) -> Difference:
    shadow, record = found.shadow, found.record
    caller = None
    if record is not None:
        caller = record.caller_name or names.get(record.caller or "", record.caller)
    compared = msgspec.convert(shadow.comparison, StoredComparison)
    asked = compared.models[0] or (record.asked_model if record else None)
    return Difference(
        exchange=shadow.id,
        rule=shadow.rule,
        ended=shadow.ended,
        similarity=similarity,
        caller=caller,
        has_record=record is not None,
        models=(asked or "the model asked for", compared.models[1] or "the model asked for"),
        facts=tuple(_facts(compared)),
        answers=answers,
    )


def _facts(compared: StoredComparison) -> Iterator[Fact]:
    for name, (client, shadow) in (
        ("model", tuple(each or "as asked" for each in compared.models)),
        ("characters", tuple(map(_counted, compared.characters))),
        ("output tokens", tuple(map(_counted, compared.output_tokens))),
        ("stop reason", tuple(each or "none" for each in compared.stop_reasons)),
        ("took", tuple(map(_timed, compared.milliseconds))),
        ("adjustments", tuple(", ".join(each) or "none" for each in compared.adjustments)),
    ):
        yield Fact(name=name, client=client, shadow=shadow)


def _counted(count: float | None) -> str:
    return "not known" if count is None else number(count)


def _timed(milliseconds: float | None) -> str:
    return "not known" if milliseconds is None else duration(milliseconds)


def _configured(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each rule that has a shadow."""
    for rule in settings.rollout:
        if (shadow := rule.shadow) is not None:
            share = percent(shadow.share / 100)
            control = ", with a control" if shadow.control else ", without a control"
            yield f"{rule.name}: {share} of its requests get a shadow by `{shadow.action}`{control}"
