import json

import pytest

from translators import (
    ReadCompletion,
    UpstreamProtocolError,
    dialect_of,
    read_completion,
    read_completion_stream,
)

V1, V2 = dialect_of(None), dialect_of("2023-06-01")
WHOLE = b'{"completion":" Hi","stop_reason":"max_tokens","model":"claude-2","extra":1}'
OLD = (
    b'data: {"completion":" Hi","stop":null,"stop_reason":null}\r\n\r\n'
    b"event: ping\r\ndata: 2023-04-28 21:18:31.866238\r\n\r\n"
    b'data: {"completion":" Hi you","stop":"\\n\\nHuman:","stop_reason":"stop_sequence"}\r\n\r\n'
    b"data: [DONE]\r\n\r\n"
)
NEW = (
    b'event: completion\r\ndata: {"id":"compl_1","completion":" Hi","stop_reason":null}\r\n\r\n'
    b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n'
    b'event: completion\r\ndata: {"completion":" you","stop_reason":null}\r\n\r\n'
    b'event: completion\r\ndata: {"completion":"","stop_reason":"stop_sequence"}\r\n\r\n'
)
FAILED = (
    b'event: completion\r\ndata: {"completion":" Hi","stop_reason":null}\r\n\r\n'
    b'event: error\r\ndata: {"type":"error","error":{"type":"overloaded_error"}}\r\n\r\n'
)


def test_a_whole_answer_is_read():
    assert read_completion(WHOLE) == ReadCompletion(" Hi", "max_tokens")


@pytest.mark.parametrize(("dialect", "stream"), [(V1, OLD), (V2, NEW)], ids=["old", "new"])
def test_streams_of_either_dialect_are_read(dialect, stream):
    assert read_completion_stream(stream, dialect) == ReadCompletion(" Hi you", "stop_sequence")


@pytest.mark.parametrize(
    "stream",
    [b"", FAILED, NEW[:80], b"data: {nonsense\r\n\r\n"],
    ids=["empty", "failed", "cut off", "no JSON"],
)
def test_a_stream_that_did_not_end_well_is_no_completion(stream):
    with pytest.raises(UpstreamProtocolError):
        read_completion_stream(stream, V2)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"completion":" Hi"}', b'\xff{"completion":""}'],
    ids=["empty", "no JSON", "no object", "no end", "no UTF-8"],
)
def test_what_is_no_completion_is_refused(body):
    with pytest.raises(UpstreamProtocolError):
        read_completion(body)


@pytest.mark.parametrize("unit", ["a\n😀", "\ud83d"])
def test_long_answers_are_read_like_short_ones(unit):
    text = unit * 50_000
    body = json.dumps({"completion": text, "stop_reason": "max_tokens"}).encode()

    expected = text.replace("\ud83d", "\ufffd")
    assert read_completion(body) == ReadCompletion(expected, "max_tokens")
    assert read_completion_stream(b"data: " + body + b"\n\n", V1).text == expected
