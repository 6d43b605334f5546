import pytest

from translators.adjustments import Adjustment, AdjustmentKind
from translators.errors import InvalidCompletionRequest
from translators.prefill import PrefillPlan, plan_prefill
from translators.prompt import Conversation, Turn
from translators.wire.messages import Message


def ending_in(prefill):
    return Conversation(None, (Turn("user", "Hi"),), prefill)


def trimmed(asked):
    return Adjustment(AdjustmentKind.TRIM_PREFILL, "prompt", asked, "nothing")


def rescued(kind):
    return Adjustment(kind, "prompt", "a prefill", "a request to continue it")


CONTINUE = (
    "Your previous response was interrupted and ended with `{`. Continue from where you left off."
)
ANCHOR = (
    " Begin by repeating its last few words exactly as they are; they will be taken off, so that"
    " what follows them is joined in the right place."
)
INSTRUCT = (
    "Your response is appended, as it is, to this text, which you have already written:\n\n"
    "{\n\nContinue exactly where it ends and do not repeat any of it."
)
STRATEGIES = pytest.mark.parametrize("strategy", ["continue", "instruct", "reject"])


@STRATEGIES
@pytest.mark.parametrize("takes_prefill", [True, False])
def test_without_a_prefill_there_is_nothing_to_plan(strategy, takes_prefill):
    plan = plan_prefill(ending_in(None), takes_prefill=takes_prefill, strategy=strategy)

    assert plan == PrefillPlan()


@STRATEGIES
def test_model_that_takes_a_prefill_gets_it(strategy):
    plan = plan_prefill(ending_in("It is"), takes_prefill=True, strategy=strategy)

    assert plan == PrefillPlan(closing=(Message("assistant", "It is"),))


def test_white_space_at_its_end_is_trimmed_and_remembered():
    plan = plan_prefill(ending_in(" Sure:\n "), takes_prefill=True, strategy="continue")

    assert plan == PrefillPlan(
        closing=(Message("assistant", " Sure:"),),
        trimmed="\n ",
        adjustments=(trimmed(r"'\n '"),),
    )


def test_a_great_deal_of_white_space_is_counted_and_not_shown():
    shown = plan_prefill(ending_in("a" + " " * 16), takes_prefill=True, strategy="continue")
    counted = plan_prefill(ending_in("a" + " " * 17), takes_prefill=True, strategy="continue")

    assert shown.adjustments == (trimmed(repr(" " * 16)),)
    assert counted.adjustments == (trimmed("17 characters of white space"),)


@pytest.mark.parametrize(
    ("tokens", "asked"), [(63, CONTINUE), (64, CONTINUE + ANCHOR), (10**6, CONTINUE + ANCHOR)]
)
def test_continue_asks_for_more_in_the_documented_words_and_for_an_anchor_if_there_is_room(
    tokens, asked
):
    plan = plan_prefill(
        ending_in("{\n"), takes_prefill=False, strategy="continue", max_tokens=tokens
    )

    assert plan == PrefillPlan(
        closing=(Message("assistant", "{"), Message("user", asked)),
        echo="{",
        trimmed="\n",
        adjustments=(trimmed(r"'\n'"), rescued(AdjustmentKind.CONTINUE_PREFILL)),
    )


def test_instruct_leaves_the_conversation_and_tells_the_system():
    plan = plan_prefill(ending_in("{"), takes_prefill=False, strategy="instruct")

    assert plan == PrefillPlan(
        instruction=INSTRUCT,
        echo="{",
        adjustments=(rescued(AdjustmentKind.INSTRUCT_PREFILL),),
    )


@pytest.mark.parametrize("strategy", ["continue", "instruct"])
def test_braces_in_a_prefill_are_not_a_template(strategy):
    plan = plan_prefill(ending_in('{"a": {x!r}'), takes_prefill=False, strategy=strategy)

    said = plan.instruction or plan.closing[-1].content
    assert '{"a": {x!r}' in said
    assert plan.echo == '{"a": {x!r}'


def test_reject_says_what_to_do_and_nothing_of_the_prompt():
    with pytest.raises(InvalidCompletionRequest) as refused:
        plan_prefill(ending_in("secret"), takes_prefill=False, strategy="reject")

    assert str(refused.value) == (
        'prompt: this model takes no text after the last "\n\nAssistant:"; '
        "end the prompt there, or ask for a model that takes a prefill"
    )
