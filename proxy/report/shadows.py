"""
Compare the answers of shadows with those of controls.

A control repeats the client's own request. Two answers to one request differ
anyway, so only the difference beyond that of controls is due to the shadow's
other model or settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from proxy.report.model import Compared, ShadowReport
from proxy.report.outcomes import share
from proxy.report.statistics import ranked
from proxy.traffic.store.aggregates import ShadowGroup

_CONTROL: Final = "control"


def shadow_reports(shadowed: Sequence[ShadowGroup]) -> tuple[ShadowReport, ...]:
    """Return a report for each rule that had shadows, in order of name."""
    reports: list[ShadowReport] = []
    for rule in sorted({each.rule for each in shadowed}):
        of_rule = [each for each in shadowed if each.rule == rule]
        shadow = _compared(each for each in of_rule if each.leg != _CONTROL)
        controls = [each for each in of_rule if each.leg == _CONTROL]
        control = _compared(controls) if controls else None
        report = ShadowReport(
            rule=rule,
            shadow=shadow,
            control=control,
            beyond_noise=_beyond(control, shadow, "mean_similarity"),
            equal_beyond_noise=_beyond(control, shadow, "equal_share"),
        )
        reports.append(report)
    return tuple(reports)


def _compared(shadowed: Iterable[ShadowGroup]) -> Compared:
    compared = equal = 0
    similarity = 0.0
    failures: Counter[str] = Counter()
    for each in shadowed:
        if each.failure is not None:
            failures[each.failure] += each.exchanges
            continue
        compared, equal = compared + each.exchanges, equal + each.equal
        similarity += each.similarity
    return Compared(
        compared=compared,
        failed=failures.total(),
        mean_similarity=round(similarity / compared, 4) if compared else None,
        equal_share=share(equal, compared) if compared else None,
        failures=ranked(failures, failures.total()),
    )


def _beyond(control: Compared | None, shadow: Compared, name: str) -> float | None:
    floor, found = getattr(control, name, None), getattr(shadow, name)
    return None if floor is None or found is None else round(max(0.0, floor - found), 4)
