import pytest

from proxy.report.model import Spent
from proxy.report.prices import Price, price_of, spent_on
from proxy.traffic.store.aggregates import ShapeGroup
from tests.proxy.report.harness import shaped
from translators import KNOWN_MODELS


def modelled(sent: str | None, given: float = 1_000_000, taken: float = 100_000) -> ShapeGroup:
    return shaped(sent=sent, input_tokens=given, output_tokens=taken)


def test_tokens_cost_what_the_list_says():
    assert spent_on([modelled("claude-haiku-4-5-20251001")], {}) == Spent(
        input_tokens=1_000_000, output_tokens=100_000, cost=1.5, unpriced_models=()
    )


def test_the_operators_prices_come_before_the_list_and_the_first_that_fits_counts():
    prices = {"claude-haiku-*": Price(10, 0), "claude-*": Price(20, 0)}

    assert spent_on([modelled("claude-haiku-4-5")], prices).cost == 10
    assert spent_on([modelled("claude-opus-5")], prices).cost == 20


def test_what_is_not_priced_is_named_and_left_out():
    spent = spent_on([modelled("claude-haiku-4-5"), modelled("claude-haiku-5-5")], {})

    assert (spent.cost, spent.unpriced_models) == (1.5, ("claude-haiku-5-5",))
    assert spent.input_tokens == 2_000_000


def test_without_any_price_the_cost_is_not_known_rather_than_nothing():
    assert spent_on([modelled("claude-next"), modelled(None)], {}) == Spent(
        input_tokens=2_000_000,
        output_tokens=200_000,
        cost=None,
        unpriced_models=("claude-next", "unknown"),
    )


def test_what_spent_no_tokens_needs_no_price():
    assert spent_on([modelled("claude-next", 0, 0)], {}).unpriced_models == ()


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("claude-opus-4-8", Price(5, 25)),
        ("claude-opus-4-5-20251101", Price(5, 25)),
        ("claude-opus-5", Price(5, 25)),
        ("claude-opus-5-5", Price(4, 20)),
        ("claude-sonnet-4-6", Price(3, 15)),
        ("claude-sonnet-5-5", Price(2, 10)),
        ("claude-haiku-5-5", None),
        ("claude-mythos-preview", None),
        ("claude-opus-4-1", None),
    ],
)
def test_each_model_has_its_own_price(model, price):
    assert price_of(model, {}) == price


def test_what_retired_models_are_replaced_by_is_priced():
    successors = {KNOWN_MODELS.resolve(model.id, "2026-11-23").id for model in KNOWN_MODELS.models}

    assert price_of("claude-opus-4-8", {})
    assert {name for name in successors if price_of(name, {}) is None} <= {
        "claude-haiku-5-5",
        *(name for name in successors if "mythos" in name or "fable-5-2" in name),
    }
