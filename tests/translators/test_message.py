import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from translators.errors import ModelRefused, UpstreamProtocolError
from translators.message import (
    as_chunks,
    completion_id,
    from_chunks,
    translate_in_steps,
    translate_message,
)
from translators.plan import Plan
from translators.wire.completions import Completion, LastChunk, PingChunk, TextChunk
from translators.wire.dialects import V2
from translators.wire.messages import AnsweredMessage, ContentBlock, MessagesRequest


def plan(*, echo="", stops=(), space=True, model="claude-2.1"):
    return Plan(
        dialect=V2,
        asked_model="claude-2.1",
        echoed_model=model,
        request=MessagesRequest(model="claude-opus-4-8", max_tokens=1, messages=()),
        betas=None,
        emulated_stops=stops,
        watched_stops=stops,
        echo=echo,
        trimmed="",
        gains_leading_space=space,
        adjustments=(),
    )


def message(*texts, stop_reason="end_turn", stop_sequence=None):
    return AnsweredMessage(
        id="msg_01",
        model="claude-opus-4-8",
        content=tuple(ContentBlock("text", text) for text in texts),
        stop_reason=stop_reason,
        stop_sequence=stop_sequence,
    )


def completion(text, reason="stop_sequence", stop="\n\nHuman:"):
    return Completion(id="compl_01", model="claude-2.1", text=text, stop_reason=reason, stop=stop)


@pytest.mark.parametrize(
    ("answer", "a_plan", "expected"),
    [
        (message("Hi"), plan(), completion(" Hi")),
        (message("Hi"), plan(space=False), completion("Hi")),
        (message("Hi", " you"), plan(), completion(" Hi you")),
        (message(), plan(), completion("")),
        (message(""), plan(), completion("")),
        (
            message("Once", stop_reason="max_tokens"),
            plan(),
            completion(" Once", "max_tokens", None),
        ),
        (
            message("a", stop_reason="stop_sequence", stop_sequence="END"),
            plan(),
            completion(" a", stop="END"),
        ),
        (message(stop_reason="refusal"), plan(), completion("")),
        (message("No", stop_reason="refusal"), plan(), completion(" No")),
        (
            message("a\nb", stop_reason="max_tokens"),
            plan(stops=("\n",)),
            completion(" a", stop="\n"),
        ),
        (
            message("a\n", stop_reason="max_tokens"),
            plan(stops=("\n",)),
            completion(" a", stop="\n"),
        ),
        (message('{"a": 1}'), plan(echo='{"a"', space=False), completion(": 1}")),
    ],
    ids=[
        *("one text", "continuing a prefill", "texts are joined", "no content", "empty text"),
        *("out of tokens", "native stop", "refusal", "refusal with words", "emulated stop"),
        *("emulated stop at the very end", "echo"),
    ],
)
def test_whole_answers(answer, a_plan, expected):
    assert translate_message(answer, a_plan) == expected


def test_only_text_is_text():
    answer = AnsweredMessage(
        id="msg_01",
        content=(
            ContentBlock("thinking"),
            ContentBlock("text", "a"),
            ContentBlock("redacted_thinking"),
            ContentBlock("not_invented_yet", "x"),
            ContentBlock("text"),
            ContentBlock("text", "b"),
        ),
        stop_reason="end_turn",
    )

    assert translate_message(answer, plan()) == completion(" ab")


def test_the_model_that_answered_is_named_where_the_operator_wants_it():
    assert translate_message(message(), plan(model=None)).model == "claude-opus-4-8"


def test_an_answer_that_never_says_why_it_stopped_is_the_upstreams_fault():
    with pytest.raises(UpstreamProtocolError, match="message: stop_reason is missing"):
        translate_message(message("Hi", stop_reason=None), plan())


def test_a_message_without_content_is_no_empty_answer():
    """Unless it is a refusal, which needs none."""
    nothing = replace(message(), content=None)

    with pytest.raises(UpstreamProtocolError, match="message: content is missing"):
        translate_message(nothing, plan())
    assert translate_message(replace(nothing, stop_reason="refusal"), plan()) == completion("")


def test_a_whole_answer_as_the_stream_it_could_have_been():
    assert as_chunks(completion(" Hi")) == (
        TextChunk(" Hi"),
        LastChunk("stop_sequence", "\n\nHuman:"),
    )
    assert as_chunks(completion("", "max_tokens", None)) == (LastChunk("max_tokens", None),)


@pytest.mark.parametrize(
    ("message_id", "expected"),
    [("msg_01", "compl_01"), ("01", "compl_01"), ("", "compl_"), ("msg_msg_1", "compl_msg_1")],
)
def test_one_id_can_be_found_by_the_other(message_id, expected):
    assert completion_id(message_id) == expected


def test_a_refusal_is_an_error_where_the_operator_wants_it():
    refusal = message("Well", stop_reason="refusal")

    assert translate_message(refusal, plan()) == completion(" Well")
    with pytest.raises(ModelRefused, match="The model refused to answer"):
        translate_message(refusal, replace(plan(), refusal_is_error=True))
    assert translate_message(message("Hi"), replace(plan(), refusal_is_error=True))


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "\n" * 200_000, "é😀" * 100_000], ids=lambda t: t[:2]
)
def test_a_long_answer_is_translated_like_a_short_one_part_by_part(text):
    a_plan = plan(stops=("END",))
    translating = translate_in_steps(message(text, "END", "more"), a_plan)

    space = "" if text[0].isspace() else " "
    assert translate_message(message(text, "END", "more"), a_plan).text == space + text
    assert sum(1 for _ in translating) >= 200_000 // 16_384


def cut_by_upstream(text, native):
    """The answer of a model that writes this text, where upstream watches for these sequences."""
    ends = [(text.find(stop) + len(stop), stop) for stop in native if stop in text]
    if not ends:
        return message(text)
    end, stop = min(ends)
    return message(text[: end - len(stop)], stop_reason="stop_sequence", stop_sequence=stop)


@given(
    text=st.text("ab\n ", max_size=12),
    stops=st.sets(st.text("ab\n ", min_size=1, max_size=3), min_size=1, max_size=4),
    native=st.sets(st.integers(0, 3)),
    space=st.booleans(),
)
@example(text="b\n\nb", stops={"b\n\nb", "\n\n"}, native={1}, space=False)
@example(text="ab", stops={"ab", "b"}, native={1}, space=False)
@example(text="b", stops={"b"}, native={0}, space=True)
@example(text="ab", stops={"ab", " a"}, native={1}, space=True)
def test_it_does_not_matter_which_sequences_upstream_watches_for(text, stops, native, space):
    """The same text, if a model writes it, ends where the first of all sequences is complete."""
    all_stops = tuple(sorted(stops))
    of_upstream = tuple(stop for number, stop in enumerate(all_stops) if number in native)
    a_plan = plan(stops=all_stops, space=space)

    assert translate_message(cut_by_upstream(text, of_upstream), a_plan) == translate_message(
        message(text), a_plan
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("", " a"), ("b", " ba"), (" b", " ba")], ids=["begins", "has", "space"]
)
def test_text_inside_of_a_sequence_that_upstream_found_begins_with_the_leading_space(
    text, expected
):
    answer = message(text, stop_reason="stop_sequence", stop_sequence="a\nc")

    assert translate_message(answer, plan(stops=("a\nc", "\n"))) == completion(expected, stop="\n")


@pytest.mark.parametrize(
    "answer", [message("Hi", " you"), message(), message("a", stop_reason="x")]
)
def test_the_chunks_of_a_completion_amount_to_it(answer):
    whole = translate_message(answer, plan())

    assert from_chunks([PingChunk(), *as_chunks(whole)], plan(), answer) == whole
