from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.comparison.compare import (
    ComparableAnswer,
    Comparison,
    compare,
    from_forwarded,
    from_translated,
)
from proxy.security.redaction import Redactor
from translators import (
    Completion,
    CompletionChunk,
    Dialect,
    FrameEncoder,
    LastChunk,
    Policy,
    TextChunk,
    UpstreamProtocolError,
    Usage,
    decode_completion_request,
    dialect_of,
    encode_completion,
    plan_request,
)

V1, V2 = dialect_of(None), dialect_of("2023-06-01")


def answered(text="Hi", **fields):
    given: dict[str, Any] = {
        "stop_reason": "stop_sequence",
        "seconds": 1.0,
        "model": "m",
        "usage": Usage(input_tokens=3, output_tokens=4),
        "adjustments": (),
    }
    return ComparableAnswer(text=text, **(given | fields))


def test_two_answers_side_by_side_the_client_s_first():
    one = answered(" Hello you", seconds=1.23456789)
    other = answered(
        " Hello me",
        stop_reason="max_tokens",
        seconds=2,
        model="n",
        usage=Usage(input_tokens=5),
        adjustments=("map_model",),
    )

    assert compare(one, other) == Comparison(
        equal=False,
        similarity=0.7368,
        same_stop_reason=False,
        stop_reasons=("stop_sequence", "max_tokens"),
        characters=(10, 9),
        milliseconds=(1234.568, 2000),
        models=("m", "n"),
        input_tokens=(3, 5),
        output_tokens=(4, None),
        adjustments=((), ("map_model",)),
    )


@given(st.text(max_size=50))
def test_an_answer_is_equal_to_itself(text):
    comparison = compare(answered(text), answered(text))

    assert (comparison.equal, comparison.similarity, comparison.same_stop_reason) == (True, 1, True)


@given(st.text("abc", max_size=20), st.text("abc", max_size=20))
def test_what_is_not_equal_is_similar_by_a_share_whichever_comes_first(one, other):
    here, there = compare(answered(one), answered(other)), compare(answered(other), answered(one))

    assert 0 <= here.similarity == there.similarity <= 1
    assert here.equal is (one == other)
    assert (here.similarity == 1) is here.equal


def test_nothing_at_all_is_not_similar_to_something():
    assert compare(answered(""), answered("a")).similarity == 0


def test_only_the_beginning_of_a_long_text_is_compared_and_all_of_it_for_being_equal():
    text = "lorem ipsum " * 10_000

    comparison = compare(answered(text + "a"), answered(text + "b"))

    assert (comparison.equal, comparison.similarity) == (False, 1)
    assert comparison.characters == (120_001, 120_001)


def test_a_comparison_is_a_log_line_without_the_texts():
    fields = compare(answered("secret"), answered("secret too")).as_fields()

    assert list(fields) == list(Comparison.__struct_fields__)
    assert "secret" not in str(fields)
    assert "secret" not in repr(answered("secret"))


def test_a_translated_leg_says_which_model_was_asked_and_what_was_adjusted():
    body = b'{"model": "claude-2", "prompt": "\\n\\nHuman: Hi\\n\\nAssistant:", "top_k": 5,'
    decoded = decode_completion_request(body + b'"max_tokens_to_sample": 5}')
    plan = plan_request(decoded, V2, Policy(), today="2026-09-01")
    usage = Usage(input_tokens=1, output_tokens=2)

    assert from_translated(" Hi", "stop_sequence", plan, usage, 0.5) == ComparableAnswer(
        text=" Hi",
        stop_reason="stop_sequence",
        seconds=0.5,
        model=plan.sent_model,
        usage=usage,
        adjustments=plan.adjustment_names,
    )
    assert "replace_retired_model" in plan.adjustment_names


@pytest.mark.parametrize("dialect", [V1, V2])
def test_a_forwarded_leg_is_read_as_the_client_read_it(dialect: Dialect):
    completion = Completion(id="c", model="m", text=" Hé you", stop_reason="max_tokens", stop=None)
    frames = FrameEncoder(dialect, id="c", model="m")
    chunks: list[CompletionChunk] = [
        TextChunk(" Hé"),
        TextChunk(" you"),
        LastChunk("max_tokens", None),
    ]
    stream = b"".join(frames.encode(chunk) for chunk in chunks)

    expected = ComparableAnswer(
        text=" Hé you",
        stop_reason="max_tokens",
        seconds=0.5,
        model=None,
        usage=Usage(),
        adjustments=(),
    )
    assert from_forwarded(encode_completion(completion, dialect), None, 0.5) == expected
    assert from_forwarded(stream, dialect, 0.5) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"completion": " Hi"}', b"\x1f\x8b"])
@pytest.mark.parametrize("dialect", [None, V1, V2])
def test_what_is_no_whole_completion_is_not_compared(body: bytes, dialect: Dialect | None):
    with pytest.raises(UpstreamProtocolError):
        from_forwarded(body, dialect, 0.5)


def test_names_that_others_give_are_redacted_in_what_is_kept():
    one = answered("a", model="of canary@example.com", stop_reason="canary@example.com")
    kept = compare(one, answered("b", model=None)).redacted(Redactor().text)

    assert kept.models == ("of [email]", None)
    assert kept.stop_reasons[0] == "[email]"


def test_long_names_are_cut_after_they_are_redacted():
    one = answered("a", model="m" * 250 + " canary@example.com", stop_reason=None)
    kept = compare(one, answered("b", model=None)).redacted(Redactor().text)

    assert kept.models == ("m" * 250 + " ", None)
