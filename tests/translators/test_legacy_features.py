import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import scaled
from translators import (
    FEATURES,
    CompletionRequest,
    DecodedRequest,
    Features,
    features_of,
    parse_request,
)
from translators.steps import STEP_SIZE
from translators.wire.completion_requests import CompletionMetadata

PLAIN = "\n\nHuman: Hi\n\nAssistant:"


def asked(prompt=PLAIN, **fields):
    request = CompletionRequest(model="claude-2", prompt=prompt, max_tokens_to_sample=10, **fields)
    return parse_request(DecodedRequest(request))


def test_a_plain_request_uses_no_feature():
    assert features_of(asked()) == Features((), 2, len(PLAIN))


@pytest.mark.parametrize(
    ("prompt", "names", "turns"),
    [
        ("Be kind." + PLAIN, ("system",), 2),
        (" \n" + PLAIN, (), 2),
        (PLAIN + " {", ("prefill",), 2),
        (PLAIN + " \n", (), 2),
        ("\n\nHuman: a\n\nAssistant: b" + PLAIN, ("multi_turn",), 4),
        ("\n\nHuman: a\n\nAssistant: b\n\nHuman: c", ("multi_turn",), 4),
        ("Human: Hi", (), 2),
        ("Human: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:", ("multi_turn",), 4),
        ("\n\nHuman:\n\nHuman:Hello\n\nAssistant:", (), 2),
        ("\n\nAssistant: a\n\nHuman: b\n\nAssistant:", ("multi_turn",), 4),
        ("\n\nHuman: a\n\nAssistant: b\n\nAssistant:", ("multi_turn",), 4),
        ("\r\n\r\nHuman: a\r\n\r\nAssistant: b", ("prefill",), 2),
        ("", (), 0),
        ("  ", (), 0),
    ],
)
def test_the_shape_of_a_prompt_is_that_of_its_conversation(prompt, names, turns):
    found = features_of(asked(prompt))

    assert (found.names, found.turns) == (names, turns)


@pytest.mark.parametrize("pairs", [50, 100, 101, 250])
def test_turns_are_counted_however_many_there_are(pairs):
    found = features_of(asked("\n\nHuman: a\n\nAssistant: b" * pairs))

    assert (found.names, found.turns) == (("prefill", "multi_turn"), 2 * pairs)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"stop_sequences": ("\n\nHuman:", "")}, ()),
        ({"stop_sequences": ("END",)}, ("custom_stops",)),
        ({"stop_sequences": ("\n",)}, ("custom_stops", "white_space_stops")),
        ({"stream": True}, ("streaming",)),
        ({"stream": False, "temperature": 1, "top_p": -1, "top_k": -1}, ()),
        ({"temperature": 0.2, "top_p": 0.9, "top_k": 5}, ("temperature", "top_p", "top_k")),
        ({"metadata": CompletionMetadata("u")}, ("metadata",)),
        ({"metadata": CompletionMetadata()}, ()),
        ({"tags": {}, "disable_checks": False}, ("tags", "disable_checks")),
    ],
)
def test_fields_count_where_they_have_an_effect(fields, names):
    assert features_of(asked(**fields)).names == names


def filled(prompt, size):
    return prompt.replace("\x01", "a" * size).replace("\x1f", "\t" * size)


@settings(max_examples=scaled(300))  # of a hundred thousand characters and more
@given(
    st.lists(
        st.sampled_from(["\x01", "\x1f", "\n\nHuman:", "\n\nAssistant:", "\n", " ", "b"]),
        max_size=8,
    ).map("".join),
    st.sampled_from([STEP_SIZE - 9, STEP_SIZE - 8, STEP_SIZE - 1, STEP_SIZE, 2 * STEP_SIZE]),
)
@example("\x01\n\nHuman:b\n\nAssistant:\x1f", STEP_SIZE - 9)
def test_a_long_prompt_has_the_features_of_a_short_one(prompt, size):
    short, long = features_of(asked(prompt)), features_of(asked(filled(prompt, size)))

    assert (long.names, long.turns) == (short.names, short.turns)
    assert long.prompt_characters == len(filled(prompt, size))


@pytest.mark.parametrize("pairs", [50, 250, 20_000])
def test_turns_are_counted_in_every_part(pairs):
    prompt = "\n\nHuman: a\n\nAssistant: b" * pairs

    assert features_of(asked(prompt + " " * STEP_SIZE)).turns == 2 * pairs


def test_a_request_can_use_all_features_at_once():
    everything = asked(
        "Be kind.\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",
        stop_sequences=("\n",),
        stream=True,
        temperature=0.2,
        top_p=0.9,
        top_k=5,
        metadata=CompletionMetadata("u"),
        tags={},
        disable_checks=True,
    )

    assert features_of(everything).names == FEATURES
