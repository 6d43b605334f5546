"""
Shadows over time: how many answers were equal, similar, or different, and how many failed.

Controls are counted beside them: the share of those that agree shows how much of it is noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from proxy.report.model import Step
from proxy.report.volume import STEPS
from proxy.traffic.store.row_mapping import moment_of
from proxy.traffic.store.shadow_queries import SeenShadow

SIMILAR: Final = 0.9
"""Similarity from which on two answers that are not equal are called similar."""
AGREEMENT: Final[Mapping[str, str]] = {
    "equal": "equal",
    "similar": f"similar, {SIMILAR:.0%} or more alike".replace("%", " %"),
    "different": "different",
    "failed": "failed",
}
"""Words for what became of a shadow, in the order in which charts stack them."""
_CONTROL: Final = "control"


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How many answers agreed with the client's."""

    equal: int = 0
    similar: int = 0
    different: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """Number of all that were asked."""
        return self.equal + self.similar + self.different + self.failed

    @property
    def agreeing(self) -> float | None:
        """Share of answers that were equal or similar; None if none could be compared."""
        compared = self.equal + self.similar + self.different
        return (self.equal + self.similar) / compared if compared else None


class AgreementStep(msgspec.Struct, frozen=True, kw_only=True):
    """The shadows and controls of one step of time."""

    begin: str
    shadow: Agreement
    control: Agreement


class RuleAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """The shadows of one rule over time, oldest first; there may be steps without any."""

    rule: str
    step: Step
    steps: tuple[AgreementStep, ...]


def agreements_of(
    seen: Iterable[SeenShadow], step: Step, since_ms: int, until_ms: int
) -> dict[str, RuleAgreement]:
    """Return what became of the shadows in each step of the period, by rule."""
    length = STEPS[step]
    counts: dict[tuple[str, bool, int], dict[str, int]] = {}
    for each in seen:
        place = each.rule, each.leg == _CONTROL, each.ended_ms // length
        count = counts.setdefault(place, {})
        what = _what_became_of(each)
        count[what] = count.get(what, 0) + 1
    numbers = range(since_ms // length, -(-until_ms // length))

    def agreement(rule: str, number: int, *, is_control: bool) -> Agreement:
        return Agreement(**counts.get((rule, is_control, number), {}))

    return {
        rule: RuleAgreement(
            rule=rule,
            step=step,
            steps=tuple(
                AgreementStep(
                    begin=moment_of(number * length),
                    shadow=agreement(rule, number, is_control=False),
                    control=agreement(rule, number, is_control=True),
                )
                for number in numbers
            ),
        )
        for rule in {rule for rule, _, _ in counts}
    }


def worst_of(seen: Iterable[SeenShadow], since_ms: int, most: int) -> list[SeenShadow]:
    """Return the shadows whose answers differ most, of equal ones the newest first."""
    differing = [
        each
        for each in seen
        if each.leg != _CONTROL
        and each.similarity is not None
        and not each.equal
        and each.ended_ms >= since_ms
    ]
    differing.sort(key=lambda each: (each.similarity, -each.ended_ms))
    return differing[:most]


def _what_became_of(shadow: SeenShadow) -> str:
    if shadow.similarity is None:
        return "failed"
    if shadow.equal:
        return "equal"
    return "similar" if shadow.similarity >= SIMILAR else "different"
