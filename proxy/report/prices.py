"""
Prices of tokens: dollars per million, by patterns of model names.

Prices change, and some customers pay others, so prices in the settings win. A
model whose price is not known for certain has no price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from proxy.report.model import Spent
from proxy.traffic.store.aggregates import ShapeGroup

_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float


# platform.claude.com/docs/en/models/{haiku-4-5,sonnet-4-6,sonnet-5,opus-4-8,...}/overview, and
# docs/en/about-claude/pricing, as of November 2026. Not priced are claude-haiku-5-5, which costs
# five times as much for prompts of more than 100,000 tokens, and claude-mythos-preview.
LIST_PRICES: Final[Mapping[str, Price]] = {
    "claude-haiku-4-5*": Price(1, 5),
    "claude-sonnet-4-[56]*": Price(3, 15),
    "claude-sonnet-5": Price(2, 10),
    "claude-sonnet-5-5": Price(2, 10),
    "claude-opus-4-[5678]*": Price(5, 25),
    "claude-opus-5": Price(5, 25),
    "claude-opus-5-5": Price(4, 20),
    "claude-fable-5": Price(10, 50),
    "claude-fable-5-1": Price(10, 50),
    "claude-fable-5-2": Price(8, 40),
    "claude-mythos-5": Price(10, 50),
    "claude-mythos-5-1": Price(10, 50),
    "claude-mythos-5-2": Price(8, 40),
}


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """Return the first price whose pattern matches; `prices` come before the list prices."""
    for known in (prices, LIST_PRICES):
        for pattern, price in known.items():
            if fnmatchcase(model, pattern):
                return price
    return None


def spent_on(shaped: Iterable[ShapeGroup], prices: Mapping[str, Price]) -> Spent:
    """Return the tokens of these exchanges and their cost."""
    given = taken = cost = 0.0
    unpriced: set[str] = set()
    is_priced = False
    for each in shaped:
        if not each.input_tokens + each.output_tokens:
            continue
        given, taken = given + each.input_tokens, taken + each.output_tokens
        model = each.sent or "unknown"
        if (price := price_of(model, prices)) is None:
            unpriced.add(model)
            continue
        is_priced = True
        cost += (each.input_tokens * price.input + each.output_tokens * price.output) / _MILLION
    return Spent(
        input_tokens=round(given),
        output_tokens=round(taken),
        cost=cost if is_priced else None,
        unpriced_models=tuple(sorted(unpriced)),
    )
