from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translators.message import from_chunks, translate_message
from translators.plan import Plan
from translators.stream import StreamState, StreamTranslator
from translators.wire.completions import FailureChunk, LastChunk, PingChunk, TextChunk
from translators.wire.dialects import V2
from translators.wire.messages import (
    AnsweredMessage,
    MessageEnd,
    MessagesRequest,
    Usage,
    decode_message,
)
from translators.wire.sse import MAX_LINE_BYTES

NATURAL_END = LastChunk("stop_sequence", "\n\nHuman:")
TOO_SOON = FailureChunk("api_error", "The upstream ended the stream too soon.")


def plan(*, echo="", trimmed="", stops=(), space=False, stern=False):
    return Plan(
        refusal_is_error=stern,
        dialect=V2,
        asked_model="claude-2.1",
        echoed_model="claude-2.1",
        request=MessagesRequest(model="claude-opus-4-8", max_tokens=1, messages=(), stream=True),
        betas=None,
        emulated_stops=stops,
        watched_stops=stops,
        echo=echo,
        trimmed=trimmed,
        gains_leading_space=space,
        adjustments=(),
    )


def event(kind, **fields):
    data = msgspec.json.encode({"type": kind} | fields)
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def start(**fields):
    message = {"id": "msg_01", "model": "claude-opus-4-8", "content": []} | fields
    return event("message_start", message=message)


def delta(text):
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def end(reason="end_turn", stop=None, **fields):
    ended = {"stop_reason": reason, "stop_sequence": stop, "stop_details": None}
    return event("message_delta", delta=ended, **fields)


PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STOP = event("message_stop")
OPEN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
CLOSE = event("content_block_stop", index=0)
THINKING = (
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
    + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "Eq"})
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
    + CLOSE
    + event(
        "content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "x"}
    )
    + CLOSE
)
CITATION = event("content_block_delta", index=0, delta={"type": "citations_delta", "text": "x"})
UNKNOWN = event("not_invented_yet", text="x") + b": a comment\n\n" + b"retry: 5\n\n"
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


def upstream(*texts, reason="end_turn", stop=None):
    """A whole Messages stream, as the upstream would send it."""
    return b"".join([start(), OPEN, PING, *map(delta, texts), CLOSE, end(reason, stop), STOP])


def translate(*pieces, a_plan=None):
    translator = StreamTranslator(a_plan or plan())
    chunks = [chunk for piece in pieces for chunk in translator.feed(piece)]
    return chunks + translator.close()


def test_each_delta_becomes_a_chunk_and_the_last_one_says_why():
    assert translate(upstream("Hello", " you")) == [
        PingChunk(),
        TextChunk("Hello"),
        TextChunk(" you"),
        NATURAL_END,
    ]


@pytest.mark.parametrize(
    ("stream", "chunks"),
    [
        (start() + end() + STOP, [NATURAL_END]),
        (
            start() + end("stop_sequence", "alpha") + STOP,
            [LastChunk("stop_sequence", "alpha")],
        ),
        (start() + OPEN + CLOSE + end("refusal") + STOP, [NATURAL_END]),
        (start() + OPEN + delta("No") + end("refusal") + STOP, [TextChunk("No"), NATURAL_END]),
        (start() + THINKING + end("max_tokens") + STOP, [LastChunk("max_tokens", None)]),
        (start() + THINKING + OPEN + delta("a") + end() + STOP, [TextChunk("a"), NATURAL_END]),
        (
            PING
            + UNKNOWN
            + start()
            + UNKNOWN
            + PING
            + CITATION
            + delta("a")
            + end()
            + UNKNOWN
            + STOP,
            [PingChunk(), PingChunk(), TextChunk("a"), NATURAL_END],
        ),
        (
            start()
            + event("content_block_start", content_block={"type": "text", "text": "a"})
            + delta("")
            + delta("b")
            + CLOSE
            + OPEN
            + delta("c")
            + end()
            + STOP,
            [TextChunk("a"), TextChunk("b"), TextChunk("c"), NATURAL_END],
        ),
        (
            start() + delta("a") + end("end_turn") + end(None) + STOP,
            [TextChunk("a"), NATURAL_END],
        ),
        (
            start() + delta("a\u2028b\x85c\x0bd") + end() + STOP,
            [TextChunk("a\u2028b\x85c\x0bd"), NATURAL_END],
        ),
    ],
    ids=[
        *("empty", "stop at the first token", "refusal before a word", "refusal after words"),
        *("thought and never spoke", "thought, then spoke", "pings and unknown events anywhere"),
        *("several blocks", "several ends", "line separators inside text"),
    ],
)
def test_what_may_come_on_the_way(stream, chunks):
    assert translate(stream) == chunks


def test_a_leading_space_is_added_once():
    assert translate(upstream("Hi", " you"), a_plan=plan(space=True))[1:] == [
        *(TextChunk(" Hi"), TextChunk(" you"), NATURAL_END),
    ]


def test_an_echo_is_taken_off_before_anything_is_sent():
    assert translate(upstream("It", " is", " so"), a_plan=plan(echo="It is"))[1:] == [
        TextChunk(" so"),
        NATURAL_END,
    ]


def test_emulated_stop_ends_the_stream_there_and_then():
    translator = StreamTranslator(plan(stops=("\n\n",)))
    stream = upstream("one\n", "\ntwo", "three", reason="max_tokens")
    chunks = translator.feed(stream)

    assert chunks == [PingChunk(), TextChunk("one"), LastChunk("stop_sequence", "\n\n")]
    assert (translator.state, translator.has_ended) == (StreamState.DONE, True)
    assert translator.end == MessageEnd()
    assert (translator.feed(stream), translator.close()) == ([], [])


def test_text_held_for_a_stop_that_never_came_is_sent_before_the_end():
    assert translate(upstream("one\n"), a_plan=plan(stops=("\n\n",)))[1:] == [
        TextChunk("one"),
        TextChunk("\n"),
        NATURAL_END,
    ]


def test_what_is_known_of_the_message_and_when():
    translator = StreamTranslator(plan())
    known = []
    for piece in (
        PING,
        start(usage={"input_tokens": 25, "output_tokens": 1}),
        delta("Hi"),
        end("stop_sequence", "END", usage={"output_tokens": 15}),
        STOP,
    ):
        translator.feed(piece)
        known.append(
            (translator.state.name, translator.message.id, translator.end, translator.usage)
        )

    head, ended = MessageEnd(), MessageEnd("stop_sequence", "END")
    assert known == [
        ("WAITING", "", head, Usage()),
        ("STREAMING", "msg_01", head, Usage(25, 1)),
        ("STREAMING", "msg_01", head, Usage(25, 1)),
        ("STREAMING", "msg_01", ended, Usage(25, 15)),
        ("DONE", "msg_01", ended, Usage(25, 15)),
    ]
    assert translator.completion_id == "compl_01"
    assert (translator.message.id, translator.message.model) == ("msg_01", "claude-opus-4-8")


@pytest.mark.parametrize(
    ("junk", "after"),
    [
        (b"event: data\ndata: [DONE]\n\n", "a gateway's"),
        (OVERLOADED, "an error"),
        (delta("more"), "text"),
        (start(), "another message"),
        (b"data: \xff\xfe\n\n", "no text"),
        (b"x" * (MAX_LINE_BYTES + 1), "an endless line"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_what_follows_the_end_does_not_matter(junk, after):
    whole = translate(upstream("Hi"))

    assert translate(upstream("Hi") + junk) == whole, after
    assert translate(upstream("Hi"), junk) == whole, after


@pytest.mark.parametrize(
    ("stream", "chunks"),
    [
        (b"", [TOO_SOON]),
        (start(), [TOO_SOON]),
        (start() + delta("Hi"), [TextChunk("Hi"), TOO_SOON]),
        (OVERLOADED, [FailureChunk("overloaded_error", "Overloaded")]),
        (
            start() + delta("Hi") + OVERLOADED + delta("more") + STOP,
            [TextChunk("Hi"), FailureChunk("overloaded_error", "Overloaded")],
        ),
        (start() + event("error", error={}), [FailureChunk("api_error", "")]),
        (
            delta("Hi"),
            [FailureChunk("api_error", "ContentBlockDelta while WAITING")],
        ),
        (STOP, [FailureChunk("api_error", "MessageStop while WAITING")]),
        (start() + start(), [FailureChunk("api_error", "MessageStart while STREAMING")]),
        (
            start() + delta("Hi") + STOP,
            [TextChunk("Hi"), FailureChunk("api_error", "message: stop_reason is missing")],
        ),
        (
            start() + end(None) + STOP,
            [FailureChunk("api_error", "message: stop_reason is missing")],
        ),
        (
            start() + b"x" * (MAX_LINE_BYTES + 1),
            [FailureChunk("api_error", "event stream: a line is longer than 33554432 bytes")],
        ),
    ],
    ids=[
        *("nothing", "only a head", "cut in the text"),
        *("error at once", "error on the way", "error without a word", "no head", "only a stop"),
        *("two heads", "no reason", "no reason given", "an endless line"),
    ],
)
def test_a_message_that_is_not_whole_ends_in_a_failure(stream, chunks):
    assert translate(stream) == chunks


@pytest.mark.parametrize("garbage", [b"[DONE", b"[]", b"<html>", b'{"type":', b"\xff"])
def test_garbage_ends_in_a_failure_after_the_text_before_it(garbage):
    *said, failure = translate(start() + delta("Hi") + b"data: " + garbage + b"\n\n" + end() + STOP)

    assert said == [TextChunk("Hi")]
    assert isinstance(failure, FailureChunk)
    assert failure.type == "api_error"
    assert failure.message.startswith("event stream: ")


@pytest.mark.parametrize("problem", [None, FailureChunk("api_error", "reset")])
@pytest.mark.parametrize("lost", [STOP, STOP[-2:]], ids=["message_stop", "its last bytes"])
def test_an_answer_with_a_stop_reason_is_whole_even_if_its_last_event_is_lost(lost, problem):
    translator = StreamTranslator(plan())
    said = start() + delta("Hi") + end() + STOP
    chunks = translator.feed(said.removesuffix(lost)) + translator.close(problem)

    assert chunks == StreamTranslator(plan()).feed(said)
    assert translator.state is StreamState.DONE


def test_a_refusal_is_an_error_where_the_operator_wants_it_even_if_the_last_event_is_lost():
    translator = StreamTranslator(msgspec.structs.replace(plan(), refusal_is_error=True))
    translator.feed(start() + end("refusal"))
    [failure] = translator.close()

    assert isinstance(failure, FailureChunk)
    assert translator.state is StreamState.FAILED


def test_text_still_held_is_sent_before_the_failure():
    assert translate(start() + delta("a\n") + OVERLOADED, a_plan=plan(stops=("\n\n",))) == [
        TextChunk("a"),
        TextChunk("\n"),
        FailureChunk("overloaded_error", "Overloaded"),
    ]


def test_the_network_may_say_what_went_wrong_with_it():
    translator = StreamTranslator(plan())
    problem = FailureChunk("timeout_error", "The upstream fell silent.")
    translator.feed(start())

    assert translator.close(problem) == [problem]
    assert translator.state is StreamState.FAILED
    assert (translator.feed(STOP), translator.close(problem)) == ([], [])


def test_a_network_that_breaks_after_the_end_broke_nothing():
    translator = StreamTranslator(plan())
    translator.feed(upstream("Hi"))

    assert translator.close(FailureChunk("api_error", "reset")) == []
    assert translator.state is StreamState.DONE


EVENTS = st.lists(
    st.sampled_from(
        [
            *(start(), OPEN, CLOSE, PING, THINKING, UNKNOWN, OVERLOADED, STOP),
            *(delta("a"), delta(""), delta("\n"), delta("é😀\u2028"), end(), end("max_tokens")),
            *(end("stop_sequence", "END"), end(None), b"data: [DONE]\n\n", b"data: \xff\n\n"),
        ]
    ),
    max_size=8,
)
PLANS = st.builds(
    plan,
    echo=st.text("a \n", max_size=3),
    trimmed=st.text(" \n", max_size=2),
    stops=st.lists(st.text("a \né", min_size=1, max_size=3), max_size=2).map(tuple),
    space=st.booleans(),
)


@given(
    a_plan=PLANS,
    events=EVENTS.map(lambda events: [start(), *events])
    | EVENTS
    | EVENTS.map(lambda events: [start(), *events, end(), STOP]),
    newline=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.sets(st.integers(0, 1_500), max_size=20),
)
@example(a_plan=plan(), events=[upstream("é😀")], newline=b"\r\n", cuts=set(range(700)))
def test_translation_does_not_depend_on_how_the_bytes_arrive(a_plan, events, newline, cuts):
    wire = b"".join(events).replace(b"\n", newline)
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(wire)), len(wire)]

    assert translate(*(wire[a:b] for a, b in pairwise(edges)), a_plan=a_plan) == translate(
        wire, a_plan=a_plan
    )


@given(events=EVENTS, tail=st.binary(max_size=20))
def test_every_stream_ends_in_one_last_word(events, tail):
    chunks = translate(*events, tail)

    assert isinstance(chunks[-1], LastChunk | FailureChunk)
    assert not any(isinstance(chunk, LastChunk | FailureChunk) for chunk in chunks[:-1])
    assert TextChunk("") not in chunks


@given(
    a_plan=PLANS,
    blocks=st.lists(st.lists(st.text("ab \né", max_size=3), max_size=3), max_size=3),
    reason=st.sampled_from(["end_turn", "max_tokens", "stop_sequence", "refusal", "new"]),
    stop=st.sampled_from([None, "END"]),
)
def test_streamed_and_whole_answers_agree(a_plan, blocks, reason, stop):
    streamed = translate(
        start(),
        THINKING,
        *(OPEN + b"".join(map(delta, texts)) + PING + CLOSE for texts in blocks),
        end(reason, stop),
        STOP,
        a_plan=a_plan,
    )
    body = msgspec.json.encode(
        {
            "id": "msg_01",
            "model": "claude-opus-4-8",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "Eq"},
                *({"type": "text", "text": "".join(texts)} for texts in blocks),
            ],
            "stop_reason": reason,
            "stop_sequence": stop,
        }
    )
    whole = translate_message(decode_message(body), a_plan)

    said = "".join(chunk.text for chunk in streamed if isinstance(chunk, TextChunk))
    assert whole.stop_reason is not None
    assert (said, streamed[-1]) == (whole.text, LastChunk(whole.stop_reason, whole.stop))
    assert from_chunks(streamed, a_plan, AnsweredMessage("msg_01", "claude-opus-4-8")) == whole


def test_a_refusal_is_a_failure_where_the_operator_wants_it():
    translator = StreamTranslator(plan(stern=True))
    ended = {"stop_reason": "refusal", "stop_details": {"explanation": "Not this."}}
    refused = event("message_delta", delta=ended) + event("message_stop")

    assert translator.feed(start() + delta("Well") + refused) == [
        TextChunk("Well"),
        FailureChunk("invalid_request_error", "Not this."),
    ]
    assert StreamTranslator(plan()).feed(start() + refused) == [NATURAL_END]


@pytest.mark.parametrize(
    ("problem", "status"),
    [(None, 502), (FailureChunk("timeout_error", "late", 504), 504), (TOO_SOON, 502)],
)
def test_a_failure_of_the_network_knows_the_status_it_can_still_become(problem, status):
    (failure,) = StreamTranslator(plan()).close(problem)

    assert isinstance(failure, FailureChunk)
    assert failure.status == status


LONG = ["a" * 300_000, "\n" * 300_000, "é😀" * 100_000]


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:2])
@pytest.mark.parametrize("a_plan", [plan(), plan(space=True, stops=("b\n",))], ids=["", "scanned"])
def test_a_long_delta_is_translated_like_a_short_one_part_by_part(text, a_plan):
    wire = upstream(text)
    translator = StreamTranslator(a_plan)
    steps = sum(1 for _ in translator.feed_in_steps(wire))

    _, *said, last = translate(wire, a_plan=a_plan)
    expected = text if text[0].isspace() or not a_plan.gains_leading_space else f" {text}"
    assert "".join(chunk.text for chunk in said) == expected
    assert last == NATURAL_END
    assert steps >= len(wire) // 16_384  # to find the event, at the least


@pytest.mark.without_coverage
@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b":\n",
        b"\r\n",
        b"data\n",
        b"event: x\n",
        PING,
        b'data:{"type":"ping"}\n\n',
        delta("a"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("times", [4, 8])
def test_a_flood_is_worked_off_a_few_lines_at_a_time(line, times):
    flood = line * (times * 16_384 // len(line))
    translator = StreamTranslator(plan())
    translator.feed(start())

    assert sum(1 for _ in translator.feed_in_steps(flood)) == (len(flood) - 1) // 16_384


def test_an_echo_that_breaks_off_is_given_back_part_by_part():
    echo = "a" * 200_000
    for last_words in (delta("c"), end() + STOP, OVERLOADED):
        translator = StreamTranslator(plan(echo=echo + "b", stops=("\n",)))
        for event in (start(), delta(echo)):
            assert translator.feed(event) == []
        steps = sum(1 for _ in translator.feed_in_steps(last_words))
        assert steps >= 200_000 // 16_384
    translator = StreamTranslator(plan(echo=echo + "b"))
    translator.feed(start() + delta(echo))
    assert sum(1 for _ in translator.close_in_steps()) >= 200_000 // 16_384
