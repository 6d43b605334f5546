import pytest

from translators.adjustments import Adjustment, AdjustmentKind
from translators.models.catalogue import Capabilities, Thinking
from translators.token_budget import HEADROOM_TOKENS, MAX_INTEGER, BudgetPlan, plan_budget
from translators.wire.messages import OutputConfig, ThinkingConfig

LOW = OutputConfig("low")
LOWERED = Adjustment(AdjustmentKind.LOWER_EFFORT, "output_config.effort", "nothing", "low")


def tokens(kind, asked, sent):
    return Adjustment(kind, "max_tokens_to_sample", str(asked), str(sent))


def capped(asked, sent):
    return tokens(AdjustmentKind.CAP_MAX_TOKENS, asked, sent)


def raised(asked, sent):
    return tokens(AdjustmentKind.ADD_THINKING_HEADROOM, asked, sent)


def turned_off(how):
    return Adjustment(AdjustmentKind.TURN_OFF_THINKING, "thinking", "nothing", how)


def model(thinking, limit=1_000):
    return Capabilities(max_output_tokens=limit, thinking=thinking)


@pytest.mark.parametrize("thinking", [Thinking.OFF, None], ids=["thinks when asked", "unknown"])
def test_model_that_does_not_think_unasked_is_left_alone(thinking):
    assert plan_budget(50, model(thinking)) == BudgetPlan(50, None, None, ())


@pytest.mark.parametrize(
    ("thinking", "how"), [(Thinking.ON, "disabled"), (Thinking.BETWEEN_TOOLS, "between_tools")]
)
def test_thinking_is_turned_off_in_the_words_the_model_knows(thinking, how):
    assert plan_budget(50, model(thinking)) == BudgetPlan(
        50, ThinkingConfig(how), None, (turned_off(how),)
    )


@pytest.mark.parametrize("asked", [1, 50])
def test_model_that_always_thinks_gets_room_to(asked):
    sent = asked + HEADROOM_TOKENS

    assert plan_budget(asked, model(Thinking.ALWAYS, 128_000)) == BudgetPlan(
        sent, None, LOW, (LOWERED, raised(asked, sent))
    )


def test_headroom_ends_at_the_limit():
    assert plan_budget(900, model(Thinking.ALWAYS)) == BudgetPlan(
        1_000, None, LOW, (LOWERED, raised(900, 1_000))
    )


def test_no_headroom_where_the_limit_was_asked_for():
    assert plan_budget(1_000, model(Thinking.ALWAYS)) == BudgetPlan(1_000, None, LOW, (LOWERED,))


@pytest.mark.parametrize(
    ("thinking", "config", "effort", "more"),
    [
        (Thinking.OFF, None, None, ()),
        (Thinking.ON, ThinkingConfig("disabled"), None, (turned_off("disabled"),)),
        (
            Thinking.BETWEEN_TOOLS,
            ThinkingConfig("between_tools"),
            None,
            (turned_off("between_tools"),),
        ),
        (Thinking.ALWAYS, None, LOW, (LOWERED,)),
    ],
)
def test_more_than_the_model_can_write_is_capped(thinking, config, effort, more):
    assert plan_budget(1_001, model(thinking)) == BudgetPlan(
        1_000, config, effort, (capped(1_001, 1_000), *more)
    )


def test_as_much_as_the_model_can_write_is_not_capped():
    assert plan_budget(1_000, model(Thinking.OFF)) == BudgetPlan(1_000, None, None, ())


def test_model_without_a_known_limit_gets_what_fits_an_integer():
    unknown = Capabilities()

    assert plan_budget(10**9, unknown) == BudgetPlan(10**9, None, None, ())
    assert plan_budget(10**30, unknown) == BudgetPlan(
        MAX_INTEGER, None, None, (capped(10**30, MAX_INTEGER),)
    )


def test_headroom_without_a_known_limit():
    assert plan_budget(5, model(Thinking.ALWAYS, None)) == BudgetPlan(
        5 + HEADROOM_TOKENS, None, LOW, (LOWERED, raised(5, 5 + HEADROOM_TOKENS))
    )
