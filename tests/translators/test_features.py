import pytest

from translators import CompletionRequest, Features, features_of
from translators.wire.completion_requests import CompletionMetadata

PLAIN = "\n\nHuman: Hi\n\nAssistant:"


def asked(prompt=PLAIN, **fields):
    return CompletionRequest(model="claude-2", prompt=prompt, max_tokens_to_sample=10, **fields)


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
        ("\n\nHuman: a\n\nAssistant: b\n\nHuman: c", ("multi_turn",), 3),
        ("Human: Hi", (), 0),
        ("", (), 0),
    ],
)
def test_the_shape_of_a_prompt_is_told_by_its_markers(prompt, names, turns):
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
