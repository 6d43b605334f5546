import pytest

from translators.adjustments import Adjustment, AdjustmentKind
from translators.models.catalogue import Sampling
from translators.sampling import SamplingPlan, plan_sampling
from translators.wire.completion_requests import CompletionRequest

K = AdjustmentKind


def plan(sampling, **given):
    request = CompletionRequest(model="m", prompt="p", max_tokens_to_sample=1, **given)
    return plan_sampling(request, sampling)


def drop(kind, field, asked):
    return Adjustment(kind, field, asked, "nothing")


@pytest.mark.parametrize("sampling", [*Sampling, None])
def test_what_was_not_asked_is_not_sent(sampling):
    assert plan(sampling) == SamplingPlan(None, None, None, ())


@pytest.mark.parametrize("sampling", [Sampling.ALL, None], ids=["takes all", "unknown"])
def test_model_that_takes_all_or_may_gets_all(sampling):
    assert plan(sampling, temperature=0.5, top_p=0.7, top_k=5) == SamplingPlan(0.5, 0.7, 5, ())


@pytest.mark.parametrize("sampling", [*Sampling, None])
@pytest.mark.parametrize(
    ("field", "value", "asked"),
    [("top_p", -1, "-1"), ("top_k", -1, "-1"), ("top_k", 0, "0")],
)
def test_values_that_mean_no_effect_are_dropped_for_every_model(sampling, field, value, asked):
    assert plan(sampling, **{field: value}) == SamplingPlan(
        None, None, None, (drop(K.DROP_NO_EFFECT_VALUE, field, asked),)
    )


@pytest.mark.parametrize(
    ("temperature", "top_p", "sent", "adjustment"),
    [
        (0.5, 0.7, (0.5, None), drop(K.DROP_TOP_P, "top_p", "0.7")),
        (0.5, 1, (0.5, None), drop(K.DROP_NO_EFFECT_VALUE, "top_p", "1")),
        (1, 0.7, (None, 0.7), drop(K.DROP_NO_EFFECT_VALUE, "temperature", "1")),
        (1, 1, (1, None), drop(K.DROP_NO_EFFECT_VALUE, "top_p", "1")),
        (0, 0, (0, None), drop(K.DROP_TOP_P, "top_p", "0")),
    ],
    ids=[
        *("both matter", "top_p is at its default", "temperature is at its default"),
        *("both are at their defaults", "both are zero"),
    ],
)
def test_of_two_the_one_not_at_its_default_stays(temperature, top_p, sent, adjustment):
    planned = plan(Sampling.ONE_OF, temperature=temperature, top_p=top_p, top_k=5)

    assert planned == SamplingPlan(sent[0], sent[1], 5, (adjustment,))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"temperature": 0.5}, (0.5, None, None)),
        ({"top_p": 0.5}, (None, 0.5, None)),
        ({"top_k": 5, "top_p": 0.5}, (None, 0.5, 5)),
    ],
)
def test_one_alone_is_sent_as_it_is(given, sent):
    temperature, top_p, top_k = sent
    assert plan(Sampling.ONE_OF, **given) == SamplingPlan(temperature, top_p, top_k, ())


def test_a_value_without_effect_does_not_push_out_the_other():
    assert plan(Sampling.ONE_OF, temperature=1, top_p=-1, top_k=-1) == SamplingPlan(
        1,
        None,
        None,
        (drop(K.DROP_NO_EFFECT_VALUE, "top_p", "-1"), drop(K.DROP_NO_EFFECT_VALUE, "top_k", "-1")),
    )


def test_model_that_takes_none_gets_none():
    assert plan(Sampling.NONE, temperature=1.0, top_p=0.25, top_k=0) == SamplingPlan(
        None,
        None,
        None,
        (
            drop(K.DROP_NO_EFFECT_VALUE, "temperature", "1"),
            drop(K.DROP_TOP_P, "top_p", "0.25"),
            drop(K.DROP_NO_EFFECT_VALUE, "top_k", "0"),
        ),
    )
    assert plan(Sampling.NONE, top_k=40) == SamplingPlan(
        None, None, None, (drop(K.DROP_TOP_K, "top_k", "40"),)
    )


def test_an_integer_beyond_all_floats_is_reported_like_any_other():
    asked = 10**400

    assert plan(Sampling.NONE, top_k=asked) == SamplingPlan(
        None, None, None, (drop(K.DROP_TOP_K, "top_k", str(asked)),)
    )
