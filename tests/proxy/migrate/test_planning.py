import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy.migrate import Expression, Hole, LegacyCall, NewCall, Reason, Target, plan_call, text_of
from proxy.migrate.text import MAX_HOLES, Text
from tests.hypothesis_profiles import scaled
from translators import (
    Adjustment,
    AdjustmentKind,
    MessagesRequest,
    Plan,
    Policy,
    decode_completion_request,
    dialect_of,
    encode_request,
    plan_request,
)

TODAY = "2026-11-28"
TARGET = Target(policy=Policy(), today=TODAY)
Q, P, DOC = Hole("q", is_repeatable=True), Hole("start", is_repeatable=True), Hole("doc")


def legacy(*prompt: str | Hole, **fields: Any) -> LegacyCall:
    given_fields: dict[str, Any] = {"model": "claude-2.1", "max_tokens_to_sample": 300} | fields
    return LegacyCall(prompt=text_of(*prompt), **given_fields)


def planned(*prompt: str | Hole, target: Target = TARGET, **fields: Any) -> NewCall:
    new = plan_call(legacy(*prompt, **fields), target)
    assert isinstance(new, NewCall), new
    return new


def reason(*prompt: str | Hole, **fields: Any) -> str:
    found = plan_call(legacy(*prompt, **fields), TARGET)
    assert isinstance(found, Reason)
    return found.text


def value_of(text: Text, values: dict[str, str]) -> str:
    def part_of(part: str | Hole) -> str:
        if isinstance(part, str):
            return part
        value = values[part.source]
        return value.rstrip() if part.is_rstripped else value

    return "".join(map(part_of, text))


def as_proxy(call: LegacyCall, values: dict[str, str]) -> Plan:
    body = {
        "model": call.model,
        "prompt": value_of(call.prompt, values),
        "max_tokens_to_sample": call.max_tokens_to_sample,
    }
    decoded = decode_completion_request(json.dumps(body).encode())
    return plan_request(decoded, dialect_of("2023-06-01"), TARGET.policy, today=TODAY)


def as_program(new: NewCall, values: dict[str, str]) -> MessagesRequest:
    """What the rewritten program sends."""
    message = type(as_proxy(legacy("\n\nHuman: Hi\n\nAssistant:"), {}).request.messages[0])
    template = as_proxy(legacy("\n\nHuman: Hi\n\nAssistant:"), {}).request
    assert isinstance(new.model, str)
    assert isinstance(new.max_tokens, int)
    return MessagesRequest(
        model=new.model,
        max_tokens=new.max_tokens,
        messages=tuple(message(each.role, value_of(each.text, values)) for each in new.messages),
        system=None if new.system is None else value_of(new.system, values),
        stop_sequences=tuple(value_of(stop, values) for stop in new.stop_sequences),
        thinking=template.thinking,
    )


def named(adjustments: tuple[Adjustment, ...]) -> set[AdjustmentKind]:
    return {adjustment.kind for adjustment in adjustments} - {AdjustmentKind.TRIM_PREFILL}


PROMPTS = {
    "plain": ("\n\nHuman: ", Q, "\n\nAssistant:"),
    "at the marker": ("\n\nHuman:", Q, "\n\nAssistant:"),
    "text around": ("\n\nHuman: Read <d>", DOC, "</d> and ", Q, ".\n\nAssistant:"),
    "no blank line": ("Human: ", Q, "\n\nAssistant:"),
    "no marker's blank line at the end": ("\n\nHuman: ", Q, "\nAssistant:"),
    "system": ("Be brief.\n\nHuman: ", Q, "\n\nAssistant:"),
    "turns": ("\n\nHuman: a\n\nAssistant: ", DOC, "\n\nHuman: ", Q, "\n\nAssistant:"),
    "merged": ("\n\nHuman: ", Q, "\n\nHuman: ", DOC, "\n\nAssistant:"),
    "prefill": ("\n\nHuman: ", Q, "\n\nAssistant: ", P),
    "prefill of words": ("\n\nHuman: ", Q, "\n\nAssistant: ", P, " it is"),
    "prefill with text": ("\n\nHuman: ", Q, "\n\nAssistant: {", P, "  "),
    "no end": ("\n\nHuman: ", Q, "!"),
}


@pytest.mark.without_coverage
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
@settings(max_examples=scaled(200))
@given(
    model=st.sampled_from(["claude-2.1", "claude-instant-1.2"]),
    values=st.fixed_dictionaries(
        {name: st.text("aB: \n\r\t\xa0", min_size=1) for name in ("q", "start", "doc")}
    ),
)
def test_a_new_call_asks_what_holdover_would_have_asked(
    prompt: tuple[str | Hole, ...], model: str, values: dict[str, str]
):
    """But for the first white space after a marker, which is named, and what has its own name."""
    call = legacy(*prompt, model=model)
    new = plan_call(call, TARGET)
    assert isinstance(new, NewCall)
    values = {
        name: value.lstrip() if name in new.edges else value for name, value in values.items()
    }
    old = as_proxy(call, values)
    # What the values themselves bring, such as an empty turn, has a name in the proxy's log.
    assume(named(old.adjustments) == named(new.adjustments))
    assume(all(value.strip() for value in values.values()))

    assert encode_request(as_program(new, values)) == encode_request(old.request)


def test_a_model_of_today_is_asked_and_what_it_does_not_take_is_left_out_by_name():
    new = planned("\n\nHuman: ", Q, "\n\nAssistant:", temperature=0.2, top_k=Expression("k"))

    assert new.model == "claude-opus-4-8"
    assert (new.temperature, new.top_k) == (None, None)
    assert [adjustment.kind.value for adjustment in new.adjustments] == [
        "replace_retired_model",
        "drop_temperature",
        "drop_top_k",
    ]


def test_sampling_that_a_model_takes_is_kept_also_as_expressions():
    new = planned(
        *("\n\nHuman: ", Q, "\n\nAssistant:"),
        model="claude-instant-1",
        temperature=Expression("t"),
        top_k=5,
    )

    assert (new.temperature, new.top_k, new.top_p) == (Expression("t"), 5, None)
    assert new.has_sampling


def test_user_ids_and_metadata_are_kept():
    prompt = ("\n\nHuman: ", Q, "\n\nAssistant:")

    assert planned(*prompt, user_id=("u-", Q)).user_id == ("u-", Q)
    assert planned(*prompt, metadata=Expression("m")).metadata == Expression("m")


def test_room_for_thinking_is_added_to_an_expression():
    new = planned(
        *("\n\nHuman: ", Q, "\n\nAssistant:"),
        model="claude-opus-5-5",
        max_tokens_to_sample=Expression("limit"),
    )

    assert (new.max_tokens, new.extra_tokens, new.effort) == (Expression("limit"), 4096, "low")


def test_an_answer_of_many_tokens_needs_a_timeout():
    prompt = ("\n\nHuman: ", Q, "\n\nAssistant:")

    whole = planned(*prompt, max_tokens_to_sample=50_000)
    streamed = planned(*prompt, max_tokens_to_sample=50_000, stream=True)

    assert (whole.needs_timeout, streamed.needs_timeout) == (True, False)
    assert "with a timeout" in whole.looks[0]


def test_the_only_message_of_a_call_is_its_content():
    assert planned("\n\nHuman: ", Q, "\n\nAssistant:").content == (Q,)
    assert planned("Be brief.\n\nHuman: ", Q, "\n\nAssistant:").content is None


def test_a_model_that_only_the_program_knows_is_kept_and_must_be_looked_at():
    new = planned("\n\nHuman: ", Q, "\n\nAssistant:", model=Expression("self.model"))

    assert new.model == Expression("self.model")
    assert "`self.model`" in new.looks[0]


def test_temperature_and_top_p_together_must_be_looked_at_if_one_is_unknown():
    new = planned("\n\nHuman: ", Q, "\n\nAssistant:", temperature=Expression("t"), top_p=0.5)

    assert "only one of" in new.looks[-1]


def test_a_name_before_the_first_marker_is_a_system_prompt_only_if_it_says_so():
    after = ("\n\nHuman: Hi\n\nAssistant:",)

    assert "becomes the system prompt" in planned(Hole("system_text"), *after).looks[0]
    assert planned(Hole("x", is_marker_free=True), *after).looks == ()
    assert "system prompt, or it holds turns" in reason(Hole("before"), *after)


@pytest.mark.parametrize(
    ("prompt", "fields", "text"),
    [
        (("\n\nHuman: Hi\n\nAssistant:",), {"model": None}, "names no model"),
        (("\n\nHuman: Hi\n\nAssistant:",), {"max_tokens_to_sample": None}, "field required"),
        (("\n\nHuman: Hi\n\nAssistant:",), {"unknown": ("max_tokens",)}, "max_tokens: extra"),
        (("\n\nHuman: Hi\n\nAssistant:",), {"stop_sequences": Expression("stops")}, "`stops`"),
        (("\n\nHuman: Hi\n\nAssistant:",), {"stop_sequences": (("\n",),)}, "cut the answer"),
        (("\n\nHuman: Hi\n\nAssistant:",), {"temperature": 7.0}, "temperature: range"),
        (("\n\nHuman: ", Q), {}, "does not end with"),
        ((Q,), {}, "No marker is in sight"),
        (("Hello",), {}, "No marker is in sight"),
        ((Hole("history"), "\n\nHuman: Hi\n\nAssistant:"), {}, "turns with markers"),
        (("\n\nHuman: ", Hole("HUMAN_PROMPT"), "\n\nAssistant:"), {}, "turns with markers"),
        (("\n\nHuman: a", Q, "\nHuman: b\n\nAssistant:"), {}, "depends on the value"),
        (("\n\nHuman: a\n\n", Q, ": b\n\nAssistant:"), {}, "depends on the value"),
        (("\n\nHuman: a\ue000\n\nAssistant:",), {}, "private-use"),
        (("\n\nHuman: ", *[Q, " "] * MAX_HOLES, "\n\nAssistant:"), {}, "private-use"),
        (("\n\nHuman: a\n\nAssistant: ", Hole("f()")), {}, "evaluated 2 times"),
    ],
)
def test_what_cannot_be_told_from_the_source_is_left_alone(
    prompt: tuple[str | Hole, ...], fields: dict[str, Any], text: str
):
    assert text in reason(*prompt, **fields)


def test_a_mapping_of_models_is_that_of_the_settings():
    catalogue = replace(Policy().catalogue, overrides={"claude-2*": "claude-sonnet-4-6"})
    target = replace(TARGET, policy=replace(Policy(), catalogue=catalogue))

    assert planned("\n\nHuman: ", Q, "\n\nAssistant:", target=target).model == "claude-sonnet-4-6"


@pytest.mark.parametrize("today", ["2026-11-28", "2027-06-01"])
def test_code_for_an_unknown_model_names_one_that_is_served(today):
    policy = Policy()
    model = policy.catalogue.find(Target(policy=policy, today=today).example_model)

    assert model is not None
    assert not model.is_retired(today)
