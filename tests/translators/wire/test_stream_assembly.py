import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators import reassemble_completion, reassemble_message

V1 = (
    b'data: {"completion":" Hi","stop":null,"stop_reason":null,"model":"claude-2"}\r\n\r\n'
    b"event: ping\r\ndata: 2023-04-28 21:18:31.866238\r\n\r\n"
    b'data: {"completion":" Hi you","stop":null,"stop_reason":null,"model":"claude-2"}\r\n\r\n'
    b'data: {"completion":"","stop":"\\n\\nHuman:","stop_reason":"stop_sequence"}\r\n\r\n'
    b"data: [DONE]\r\n\r\n"
)
V2 = (
    b'event: completion\r\ndata: {"type":"completion","id":"c","completion":" Hi"}\r\n\r\n'
    b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n'
    b'event: completion\r\ndata: {"type":"completion","id":"c","completion":" you"}\r\n\r\n'
    b'event: completion\r\ndata: {"type":"completion","completion":"","stop_reason":"max_tokens"}'
    b"\r\n\r\n"
)


def events(*said):
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in said)


def start(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, **change):
    return {"type": "content_block_delta", "index": index, "delta": change}


def old(pieces):
    return reassemble_completion(pieces, is_cumulative=True)


MESSAGE = events(
    {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 3}}},
    start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="Hm"),
    delta(0, type="signature_delta", signature="s"),
    {"type": "content_block_stop", "index": 0},
    start(1, type="text", text=""),
    {"type": "ping"},
    delta(1, type="text_delta", text="Hi "),
    delta(1, type="text_delta", text="you"),
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)


def test_an_old_stream_comes_to_its_last_frame():
    read = reassemble_completion([(1.0, V1)], is_cumulative=True)

    assert read.whole == {
        "completion": " Hi you",
        "stop": "\n\nHuman:",
        "stop_reason": "stop_sequence",
        "model": "claude-2",
    }
    assert [event[1:] for event in read.timing] == [
        ("completion", 3),
        ("unreadable", 0),
        ("completion", 4),
        ("completion", 0),
        ("unreadable", 0),
    ]


def test_a_new_stream_comes_to_all_its_text():
    read = reassemble_completion([(1.0, V2)], is_cumulative=False)

    assert read.whole == {
        "type": "completion",
        "id": "c",
        "completion": " Hi you",
        "stop_reason": "max_tokens",
    }
    assert [event[1:] for event in read.timing] == [
        ("completion", 3),
        ("ping", 0),
        ("completion", 4),
        ("completion", 0),
    ]


def test_a_messages_stream_comes_to_a_message():
    assert reassemble_message([(1.0, MESSAGE)]).whole == {
        "id": "m",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "Hi you"},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 2},
        "stop_reason": "end_turn",
    }


def test_each_event_has_the_time_at_which_it_was_whole():
    cut = V2.index(b"event: ping") + 5
    read = reassemble_completion([(1.0, V2[:cut]), (2.5, V2[cut:])], is_cumulative=False)

    assert [moment for moment, _, _ in read.timing] == [1.0, 2.5, 2.5, 2.5]


@given(st.lists(st.integers(0, len(MESSAGE)), max_size=6))
def test_a_message_does_not_depend_on_how_the_bytes_arrive(cuts):
    places = [0, *sorted(cuts), len(MESSAGE)]
    pieces = [(1.0, MESSAGE[a:b]) for a, b in pairwise(places)]

    assert reassemble_message(pieces) == reassemble_message([(1.0, MESSAGE)])


@pytest.mark.parametrize("reassemble", [reassemble_message, old])
def test_an_error_is_kept_beside_what_was_said_before(reassemble):
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    assert reassemble([(1.0, events(error))]).whole == {"error": error["error"]}


def test_a_stream_that_breaks_off_comes_to_what_there_is():
    read = reassemble_message([(1.0, MESSAGE[: MESSAGE.index(b'"text_delta", "text": "you"')])])

    assert read.whole["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "text", "text": "Hi "},
    ]
    assert old([]).whole == {}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start", "message": 1},
        {"type": 3},
        delta(0, type="of tomorrow", text="x"),
        delta(0, type="text_delta", text=3),
        delta(0, type=["text_delta"], text="x"),
        {"type": "message_delta", "delta": 1},
        {"completion": 3},
        [1],
    ],
)
def test_what_nobody_understands_is_passed_over(event):
    assert reassemble_message([(1.0, events(event))]).whole == {}
    assert old([(1.0, events(event))]).whole == {}


def test_text_without_a_block_that_began_is_text():
    read = reassemble_message([(1.0, events(delta(0, type="text_delta", text="x")))])

    assert read.whole == {"content": [{"text": "x"}]}


@pytest.mark.parametrize(
    "index",
    [None, [0], {}, "0", 0.5, -1, 1_000_000, 2**61 - 1],
    ids=[
        "none",
        "list",
        "object",
        "string",
        "fraction",
        "negative",
        "too many",
        "all hashed alike",
    ],
)
def test_blocks_without_a_number_of_use_are_taken_for_one(index):
    said = events(start(index, type="text"), delta(index, type="text_delta", text="x"))
    other = events(delta("another", type="text_delta", text="y"))

    assert reassemble_message([(1.0, said + other)]).whole == {
        "content": [{"type": "text", "text": "xy"}]
    }
