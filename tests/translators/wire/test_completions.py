from json.encoder import encode_basestring_ascii

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.errors import UpstreamProtocolError
from translators.steps import STEP_SIZE, completed
from translators.wire.completions import (
    MAX_REPEATED_BYTES,
    PING_FRAME,
    Completion,
    FailureChunk,
    FrameEncoder,
    LastChunk,
    PingChunk,
    TextChunk,
    encode_completion,
    encode_completion_in_steps,
    encode_error,
    encode_failure,
    v1_ping_frame,
)
from translators.wire.dialects import V1, V2


def whole(text, *, model, stop="\n\nHuman:", id_="compl_01"):
    return Completion(
        id=id_,
        model=model,
        text=text,
        stop_reason="max_tokens" if stop is None else "stop_sequence",
        stop=stop,
    )


# legacy-wire 2.1, R3: the first walk-through. Ids aside, ours are of the later form.
SPRING_2023 = (
    rb'{"completion":" Here is a haiku about trees:\n\nSilent sentinels, \nStanding solemn in the '
    rb'woods,\nBranches reaching sky.","stop":"\n\nHuman:","stop_reason":"stop_sequence",'
    rb'"truncated":false,"log_id":"compl_01","model":"claude-v1","exception":null}'
)
HAIKU = (
    " Here is a haiku about trees:\n\nSilent sentinels, \nStanding solemn in the woods,\n"
    "Branches reaching sky."
)
# legacy-wire 2.1, R2 and R13, ids and all.
APRIL_2024 = (
    rb'{"type":"completion","id":"compl_01Bs8Syxu1SsMMWuNRiptYXC","completion":".Hello!",'
    rb'"stop_reason":"stop_sequence","model":"claude-instant-1.2","stop":"\n\nHuman:",'
    rb'"log_id":"compl_01Bs8Syxu1SsMMWuNRiptYXC"}'
)
HI_THERE = (
    rb'{"type":"completion","id":"compl_018sNkNZEJUW35NVReds342D","completion":" Hi there!",'
    rb'"stop_reason":"stop_sequence","model":"claude-instant-1.2","stop":"\n\nHuman:",'
    rb'"log_id":"compl_018sNkNZEJUW35NVReds342D"}'
)


@pytest.mark.parametrize(
    ("completion", "dialect", "recorded"),
    [
        (whole(HAIKU, model="claude-v1"), V1, SPRING_2023),
        (
            whole(".Hello!", model="claude-instant-1.2", id_="compl_01Bs8Syxu1SsMMWuNRiptYXC"),
            V2,
            APRIL_2024,
        ),
        (
            whole(" Hi there!", model="claude-instant-1.2", id_="compl_018sNkNZEJUW35NVReds342D"),
            V2,
            HI_THERE,
        ),
    ],
    ids=["2023-01-01 R3", "2023-06-01 R2", "2023-06-01 R13"],
)
def test_recorded_answers_to_the_byte(completion, dialect, recorded):
    assert encode_completion(completion, dialect) == recorded


def test_out_of_tokens_has_no_stop():
    completion = whole("Once", model="claude-2.1", stop=None)

    assert encode_completion(completion, V2) == (
        b'{"type":"completion","id":"compl_01","completion":"Once","stop_reason":"max_tokens",'
        b'"model":"claude-2.1","stop":null,"log_id":"compl_01"}'
    )
    assert encode_completion(completion, V1) == (
        b'{"completion":"Once","stop":null,"stop_reason":"max_tokens","truncated":false,'
        b'"log_id":"compl_01","model":"claude-2.1","exception":null}'
    )


AWKWARD = 'é\u2028\u2029\x85\x0b\x1c😀\0"\\/\n'
ESCAPED = rb"\u00e9\u2028\u2029\u0085\u000b\u001c\ud83d\ude00\u0000\"\\/\n"


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_old_line_splitters_find_nothing_to_split_at(dialect):
    document = encode_completion(whole(AWKWARD, model="é", stop="😀"), dialect)

    assert b'"completion":"' + ESCAPED + b'"' in document
    assert rb'"model":"\u00e9"' in document
    assert rb'"stop":"\ud83d\ude00"' in document
    assert document.isascii()


def frames(dialect, *chunks, id_="compl_01", model="claude-2.1"):
    encoder = FrameEncoder(dialect, id=id_, model=model)
    return [encoder.encode(chunk) for chunk in chunks]


NATURAL_END = LastChunk("stop_sequence", "\n\nHuman:")


def recorded_frame(text, reason=b"null", stop=b"null"):
    return (
        b'event: completion\r\ndata: {"type":"completion","id":"compl_015dfgyiT7JLszAiMbGMtgeG",'
        b'"completion":"'
        + text
        + b'","stop_reason":'
        + reason
        + b',"model":"claude-2.1","stop":'
        + stop
        + b',"log_id":"compl_015dfgyiT7JLszAiMbGMtgeG"}\r\n\r\n'
    )


def test_recorded_stream_of_the_new_dialect_to_the_byte():
    """legacy-wire 3.1, R1; its padding was taken out."""
    said = [" Light", " sc", "at", "ters", " blue", "."]
    chunks = [*map(TextChunk, said[:2]), PingChunk(), *map(TextChunk, said[2:]), NATURAL_END]

    assert frames(V2, *chunks, id_="compl_015dfgyiT7JLszAiMbGMtgeG") == [
        recorded_frame(b" Light"),
        recorded_frame(b" sc"),
        b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n',
        recorded_frame(b"at"),
        recorded_frame(b"ters"),
        recorded_frame(b" blue"),
        recorded_frame(b"."),
        recorded_frame(b"", b'"stop_sequence"', rb'"\n\nHuman:"'),
    ]


def test_stream_of_the_old_dialect_as_its_decoders_have_it():
    """legacy-wire 3.2: cumulative, unnamed, pings left out, the whole text again, `[DONE]`."""
    rest = b',"truncated":false,"log_id":"compl_01","model":"claude-v1","exception":null}\r\n\r\n'
    going_on = b'","stop":null,"stop_reason":null' + rest
    ended = rb'","stop":"\n\nHuman:","stop_reason":"stop_sequence"' + rest

    assert frames(
        V1,
        *(TextChunk(" Hello"), PingChunk(), TextChunk(" my"), TextChunk(" name"), NATURAL_END),
        model="claude-v1",
    ) == [
        b'data: {"completion":" Hello' + going_on,
        b"",
        b'data: {"completion":" Hello my' + going_on,
        b'data: {"completion":" Hello my name' + going_on,
        b'data: {"completion":" Hello my name' + ended + b"data: [DONE]\r\n\r\n",
    ]


@pytest.mark.parametrize("last", [NATURAL_END, LastChunk("max_tokens", None)])
def test_last_frame_of_the_old_dialect_is_the_body_of_a_whole_answer(last):
    *_, frame = frames(V1, TextChunk("é "), TextChunk('"b"'), last)
    completion = Completion(
        id="compl_01",
        model="claude-2.1",
        text='é "b"',
        stop_reason=last.stop_reason,
        stop=last.stop,
    )

    assert frame == b"data: " + encode_completion(completion, V1) + b"\r\n\r\ndata: [DONE]\r\n\r\n"


def test_last_frame_of_the_new_dialect_says_nothing_more():
    *_, frame = frames(V2, TextChunk("a"), LastChunk("max_tokens", None))

    assert frame == (
        b'event: completion\r\ndata: {"type":"completion","id":"compl_01","completion":"",'
        b'"stop_reason":"max_tokens","model":"claude-2.1","stop":null,"log_id":"compl_01"}\r\n\r\n'
    )


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_an_empty_completion_is_one_last_frame(dialect):
    (frame,) = frames(dialect, NATURAL_END)
    empty = encode_completion(whole("", model="claude-2.1"), dialect)

    assert frame == dialect.frame_start + empty + b"\r\n\r\n" + dialect.terminator


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_every_frame_before_the_last_says_that_there_is_no_reason_yet(dialect):
    one, two, _ = frames(dialect, TextChunk("a"), TextChunk("b"), NATURAL_END)

    assert b'"stop_reason":null' in one
    assert b'"stop_reason":null' in two


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_a_failure_is_an_error_event_with_nothing_behind_it(dialect):
    *_, frame = frames(dialect, TextChunk("a"), FailureChunk("overloaded_error", "Overloaded"))

    assert frame == (
        b'event: error\r\ndata: {"type":"error","error":{"type":"overloaded_error",'
        b'"message":"Overloaded"}}\r\n\r\n'
    )
    assert frame == encode_failure("overloaded_error", "Overloaded")


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
def test_names_that_look_like_the_frame_itself_do_no_harm(dialect):
    name = '"completion":""'
    first, last = frames(
        dialect, TextChunk(name), LastChunk("stop_sequence", name), id_=name, model=name
    )

    texts = [msgspec.json.decode(frame.split(b"data: ")[1]) for frame in (first, last)]
    assert [text["completion"] for text in texts] == [name, name if dialect is V1 else ""]
    assert [text["model"] for text in texts] == [name, name]
    assert [text["stop"] for text in texts] == [None, name]


@given(st.lists(st.text(), min_size=1), st.sampled_from([V1, V2]))
def test_frames_say_what_was_said_and_are_one_event_each(said, dialect):
    *texts, last = frames(dialect, *map(TextChunk, said), NATURAL_END)

    for frame in texts:
        assert frame.isascii()
        assert frame.startswith(dialect.frame_start)
        assert frame.endswith(b"}\r\n\r\n")
        assert frame.count(b"\n") == dialect.frame_start.count(b"\n") + 2
    read = [
        msgspec.json.decode(frame.removeprefix(dialect.frame_start))["completion"]
        for frame in (*texts, last.removesuffix(dialect.terminator))
    ]
    if dialect is V1:
        assert read == [*("".join(said[: n + 1]) for n in range(len(said))), "".join(said)]
    else:
        assert read == [*said, ""]


def test_pings_as_recorded():
    assert PING_FRAME == b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n'
    assert v1_ping_frame("2023-04-28 21:18:31.866238") == (
        b"event: ping\r\ndata: 2023-04-28 21:18:31.866238\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("request_id", "tail"), [("req_01", b'"request_id":"req_01"}'), (None, b'"request_id":null}')]
)
def test_errors_have_the_newest_envelope(request_id, tail):
    assert encode_error("not_found_error", "model: é", request_id) == (
        rb'{"type":"error","error":{"type":"not_found_error","message":"model: \u00e9"},' + tail
    )


LONG = ["a" * (STEP_SIZE + 1), "\n" * (3 * STEP_SIZE), "😀" * (2 * STEP_SIZE), 'é"' * STEP_SIZE]


@pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("text", ["", AWKWARD, *LONG], ids=lambda text: text[:2])
def test_a_whole_answer_in_pieces_is_the_answer(text, dialect):
    completion = whole(text, model='"completion":"', stop='"completion":""')
    pieces = completed(encode_completion_in_steps(completion, dialect))

    assert b"".join(pieces) == encode_completion(completion, dialect)
    assert max(map(len, pieces)) <= 12 * STEP_SIZE + 300


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:2])
def test_a_long_chunk_becomes_frames_of_parts_of_it(text):
    encoder = FrameEncoder(V2, id="compl_01", model="claude-2.1")
    frames = list(encoder.encode_long_text(text))

    said = [msgspec.json.decode(frame.split(b"data: ")[1])["completion"] for frame in frames]
    assert "".join(said) == text
    assert max(map(len, said)) == STEP_SIZE


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:2])
def test_a_long_chunk_becomes_one_frame_where_frames_repeat_what_was_said(text):
    encoder = FrameEncoder(V1, id="compl_01", model="claude-2.1")
    before = encoder.encode_texts(("b",))
    *nothing, frame = encoder.encode_long_text(text)

    assert set(nothing) == {b""}
    assert len(nothing) >= len(text) // STEP_SIZE
    assert frame == before.replace(b'"b"', encode_basestring_ascii("b" + text).encode())


def test_frames_do_not_repeat_more_than_any_model_says():
    encoder = FrameEncoder(V1, id="compl_01", model="claude-2.1")
    encoder.encode_texts(("a" * (MAX_REPEATED_BYTES - 2),))

    assert len(encoder.encode_texts(("\n",))) > MAX_REPEATED_BYTES
    with pytest.raises(UpstreamProtocolError, match="longer than 8388608 bytes"):
        encoder.encode_texts(("a",))
    with pytest.raises(UpstreamProtocolError, match="longer than 8388608 bytes"):
        list(encoder.encode_long_text("a" * (STEP_SIZE + 1)))


def test_frames_that_repeat_nothing_go_on_for_ever():
    encoder = FrameEncoder(V2, id="compl_01", model="claude-2.1")
    lengths = {len(encoder.encode_texts(("a" * STEP_SIZE,))) for _ in range(200)}

    assert len(lengths) == 1
