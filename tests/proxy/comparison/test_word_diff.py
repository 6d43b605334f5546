import json

import pytest

from proxy.comparison.word_diff import (
    DiffPiece,
    comparing_work,
    mark_differences,
    mark_text_differences,
)


def marked(pieces: list[DiffPiece]) -> str:
    return "".join(f"<{piece.text}>" if piece.is_marked else piece.text for piece in pieces)


def test_what_of_a_prompt_is_in_no_message_is_marked():
    prompt = {"prompt": "Be kind.\n\nHuman: Hello\n\nAssistant: Sure", "max_tokens_to_sample": 3}
    messages = {
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": [{"type": "text", "text": "Sure!"}]},
        ],
        "system": "Be kind.",
    }

    one, other = mark_differences(prompt, messages)

    assert marked(one) == (
        "{\n"
        '  "prompt": "Be kind.<\\n\n'
        "     \\n\n"
        "     Human: >Hello<\\n\n"
        "     \\n\n"
        '     Assistant: >Sure",\n'
        '  "max_tokens_to_sample": 3\n'
        "}"
    )
    assert '"content": "Hello"' in marked(other)
    assert '"text": "Sure<!>"' in marked(other)
    assert marked(other).startswith('{\n  "system": "Be kind.",\n  "messages": [')


def test_what_of_an_answer_was_cut_and_what_was_added_is_marked():
    message = {"content": [{"type": "text", "text": "Yes. Human: no"}], "stop_reason": "end_turn"}

    one, other = mark_differences(message, {"completion": " Yes.", "stop_reason": "stop_sequence"})

    assert '"text": "Yes.< Human: no>"' in marked(one)
    assert '"completion": "< >Yes."' in marked(other)
    assert "<end_turn>" not in marked(one)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, [], {}, ["x"]], "prompt": 'say "\\"', "system": [{"text": "a"}]},
        "not JSON, but a text",
        None,
        {"é": "ü"},
    ],
)
def test_what_is_shown_is_the_json_that_it_was(value: object):
    for one, other in ((value, {"prompt": "x"}), (value, value), (value, None)):
        assert (
            json.loads(marked(mark_differences(one, other)[0]).replace("<", "").replace(">", ""))
            == value
        )


def test_what_a_terminal_would_obey_is_spelled():
    pieces, _ = mark_differences({"prompt": "\x1b[2J\u202e", "\x9b": "\ue000\u2028"}, None)

    assert marked(pieces) == (
        '{\n  "prompt": "\\u001b[2J\\u202e",\n  "\\u009b": "\\ue000\\u2028"\n}'
    )


def test_plain_texts_stay_as_they_are():
    one, other = mark_text_differences('Say "no"\nor\u2028 go.', 'Say "yes"\nor\u2028 go')

    assert marked(one) == 'Say "<no>"\nor\u2028 go<.>'
    assert marked(other) == 'Say "<yes>"\nor\u2028 go'
    assert [marked(each) for each in mark_text_differences("", "Hi")] == ["", "<Hi>"]
    assert comparing_work("Hi you", "Hi.") == 3 * 2


def test_nothing_is_marked_where_there_is_nothing_to_compare_with():
    for other in (None, {}, {"model": "m"}):
        assert "<" not in marked(mark_differences({"prompt": "Hi"}, other)[0])


def test_texts_that_are_too_long_are_shown_without_marks():
    long = {"prompt": "a " * 10_001}

    one, other = mark_differences(long, {"system": "b"})

    assert len(one) == len(other) == 1
